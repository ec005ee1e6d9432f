// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// Anchors hashes of documents: who brought one first, and when. Nobody can move or remove an anchor.
/// Anybody may anchor: the benchmark measures a ledger, not access control.
contract Notary {
    error AlreadyAnchored(bytes32 document);
    error OddLength();

    /// One storage slot per document.
    struct Anchor {
        address account;
        uint96 anchoredAt;
    }

    mapping(bytes32 => Anchor) private anchors;

    /// Store the first anchor of `document`; refused when there is one.
    function anchor(bytes32 document) external {
        if (anchors[document].anchoredAt != 0) revert AlreadyAnchored(document);
        anchors[document] = Anchor(msg.sender, uint96(block.timestamp));
    }

    /// When `document` was anchored, in the chain's time; 0: it is not.
    function verify(bytes32 document) external view returns (uint256) {
        return anchors[document].anchoredAt;
    }

    /// Who anchored `document`; the zero address: nobody.
    function anchoredBy(bytes32 document) external view returns (address) {
        return anchors[document].account;
    }

    /// How many of the concatenated 32-byte `documents` are not anchored, for audits. `txIds` are the transactions that
    /// are said to have anchored them; a ledger with state does not need them.
    function missing(bytes calldata documents, bytes calldata txIds) external view returns (uint256 count) {
        if (documents.length % 32 != 0 || txIds.length != documents.length) revert OddLength();
        for (uint256 start = 0; start < documents.length; start += 32) {
            if (anchors[bytes32(documents[start:start + 32])].anchoredAt == 0) ++count;
        }
    }
}
