// Command node is one validator: a CometBFT node with its application in the same process.
//
//	node -home DIRECTORY      run the node that DIRECTORY/config/config.toml describes
//	node -version             the version of CometBFT it was built with
//
// `proxy_app = "ledger-bench"` in config.toml selects the application of package ledger; anything else means what it
// means to the cometbft program ("kvstore", or the address of an application in a process of its own). Settings that
// config.toml leaves out have CometBFT's own defaults.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/cli/flags"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/version"
	"github.com/spf13/viper"

	"ledger-bench/cometbft/ledger"
)

const ours = "ledger-bench"

func main() {
	home := flag.String("home", "", "directory that holds config/ and data/")
	showVersion := flag.Bool("version", false, "print the version of CometBFT and exit")
	flag.Parse()
	if *showVersion {
		fmt.Println(version.TMCoreSemVer)
		return
	}
	if *home == "" {
		fmt.Fprintln(os.Stderr, "node: -home DIRECTORY is missing")
		os.Exit(2)
	}
	if err := run(*home); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// run returns when the node was asked to stop, by SIGTERM or SIGINT, and has stopped.
func run(home string) error {
	settings, err := load(home)
	if err != nil {
		return fmt.Errorf("config.toml: %w", err)
	}
	logger, err := flags.ParseLogLevel(
		settings.LogLevel, log.NewTMLogger(log.NewSyncWriter(os.Stdout)), config.DefaultLogLevel)
	if err != nil {
		return err
	}
	key, err := p2p.LoadNodeKey(settings.NodeKeyFile())
	if err != nil {
		return fmt.Errorf("node key: %w", err)
	}
	validator := privval.LoadFilePV(settings.PrivValidatorKeyFile(), settings.PrivValidatorStateFile())
	running, err := node.NewNode(settings, validator, key, application(settings),
		node.DefaultGenesisDocProviderFunc(settings), config.DefaultDBProvider,
		node.DefaultMetricsProvider(settings.Instrumentation), logger)
	if err != nil {
		return err
	}
	stopping, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	if err := running.Start(); err != nil {
		return err
	}
	<-stopping.Done()
	if err := running.Stop(); err != nil {
		return err
	}
	running.Wait()
	return nil
}

func load(home string) (*config.Config, error) {
	reader := viper.New()
	reader.SetConfigFile(filepath.Join(home, "config", "config.toml"))
	if err := reader.ReadInConfig(); err != nil {
		return nil, err
	}
	settings := config.DefaultConfig()
	if err := reader.UnmarshalExact(settings); err != nil { // a misspelt key would silently mean its default
		return nil, err
	}
	settings.SetRoot(home)
	return settings, settings.ValidateBasic()
}

// application gives consensus, mempool and queries a lock each: ours has its own and lets them overlap.
func application(settings *config.Config) proxy.ClientCreator {
	if settings.ProxyApp == ours {
		return proxy.NewConnSyncLocalClientCreator(ledger.NewApplication())
	}
	return proxy.DefaultClientCreator(settings.ProxyApp, settings.ABCI, settings.DBDir())
}
