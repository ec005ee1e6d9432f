"""The CometBFT family: chains of CometBFT 0.37 and 0.38 that run our application or the key-value example."""
