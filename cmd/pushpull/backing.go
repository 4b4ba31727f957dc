package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"pushpull/loadgen"
	"pushpull/transports"
	"pushpull/transports/all"
	"pushpull/transports/certificate"
	"pushpull/transports/store"
)

// A backing is what the servers of a measurement stand on: this program, as it was when the measurement
// began, and their stores.
type backing struct {
	program   *loadgen.Program
	addresses []string          // of the stores
	names     []string          // of the stores, as storeNames returns them
	kept      []*loadgen.Server // of each store; nil: no process of ours keeps it

	authority authority
}

// openBacking opens the stores, and starts the embedded ones. The caller must close it.
func openBacking(ctx context.Context, stores []string) (*backing, error) {
	return openBackingOn(ctx, stores, nil)
}

// openBackingOn is openBacking for servers, and their stores, on the CPUs that cpus has for them.
func openBackingOn(ctx context.Context, stores []string, cpus *loadgen.Split) (*backing, error) {
	program, err := loadgen.OpenProgram("")
	if err != nil {
		return nil, err
	}
	b := &backing{program: program, names: storeNames(stores)}
	for _, address := range stores {
		var kept *loadgen.Server
		if store.IsEmbedded(address) {
			// In a separate process, its CPU time is counted neither for the servers nor the generator.
			if kept, err = cpus.StartServer(ctx, program, []string{os.Args[0], "store", "embed", address}); err != nil {
				b.close()
				return nil, fmt.Errorf("starting the store %s: %w", transports.Redacted(address), err)
			}
			address = kept.Base.String()
		} else if err := tryStore(ctx, address); err != nil {
			b.close()
			return nil, err
		}
		b.addresses, b.kept = append(b.addresses, address), append(b.kept, kept)
	}
	return b, nil
}

// close stops the stores that were started.
func (b *backing) close() {
	for _, kept := range b.kept {
		if kept != nil {
			_ = kept.Stop() // the measurement is over
		}
	}
	b.program.Close()
	b.authority.close()
}

// An authority makes the certificate by which servers speak TLS, once it is needed. The zero value is ready.
type authority struct {
	made *certificate.Made // nil: none was needed
	dir  string            // of the files of made
}

// close removes the certificate.
func (a *authority) close() {
	if a.dir != "" {
		_ = os.RemoveAll(a.dir) // what is left holds a key that nobody trusts any more
	}
}

// secure makes the servers of a side speak TLS, or the proxies before them, with a certificate that its users trust.
func (a *authority) secure(side *loadgen.Side) error {
	if a.made == nil {
		var err error
		if a.dir, err = os.MkdirTemp("", "pushpull-"); err != nil {
			return fmt.Errorf("keeping the certificate: %w", err)
		}
		made, err := certificate.Make()
		if err != nil {
			return err
		}
		for name, text := range map[string][]byte{
			certificateFile: made.PEM, keyFile: made.KeyPEM, bothFile: slices.Concat(made.PEM, made.KeyPEM),
		} {
			if err := os.WriteFile(filepath.Join(a.dir, name), text, 0o600); err != nil {
				return fmt.Errorf("keeping the certificate: %w", err)
			}
		}
		a.made = made
	}
	side.Authorities, side.AuthoritiesPEM = a.made.Pool(), a.made.PEM
	if side.Via != nil {
		side.Via = append(side.Via, "--cert", filepath.Join(a.dir, bothFile))
		return nil
	}
	side.Command = append(side.Command, "--tls",
		"--cert", filepath.Join(a.dir, certificateFile), "--key", filepath.Join(a.dir, keyFile))
	return nil
}

// Files of a certificate that is made for a run.
const certificateFile, keyFile, bothFile = "certificate.pem", "key.pem", "both.pem"

// side returns servers on store i, started by the command.
func (b *backing) side(i int, servers serversOptions, command []string) loadgen.Side {
	return loadgen.Side{
		Name: b.names[i], Servers: servers.n, Spread: servers.spread(), Program: b.program, Store: b.kept[i],
		Command: slices.Concat(command, servers.flags(), []string{"--store-from", storeVariable}),
		Env:     []string{storeVariable + "=" + b.addresses[i]}, // a password would be seen among the arguments
	}
}

// storeNames returns the names of the sides that use the stores, which are those of their directories too:
// the kinds of store. A single side has the name "".
func storeNames(stores []string) []string {
	if len(stores) < 2 {
		return []string{""}
	}
	var names []string
	seen := map[string]int{}
	for _, address := range stores {
		name := store.Kind(address)
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
		}
		names = append(names, name)
	}
	return names
}

// tryStore opens a store and closes it again, so that an unreachable one is reported before
// anything is measured.
func tryStore(ctx context.Context, address string) error {
	s, err := store.Open(ctx, address, transports.StoreOptions{})
	if err == nil {
		err = s.Close()
	}
	return err
}

// serverCommand returns the arguments that start this binary as a server, which ends with its parent
// and accepts the connections and scans of the scenario's users.
func serverCommand(s loadgen.Scenario) []string {
	command := []string{
		os.Args[0], "serve", "--listen", "127.0.0.1:0", "--until-eof",
		"--max-connections", strconv.Itoa(loadgen.Connections(s) + 100),
	}
	usual := transports.Limits{}.WithDefaults()
	shortest := usual.MinScan
	for _, spec := range s.Transports {
		if client, err := all.Client(spec); err == nil && client.Way().Scan > 0 {
			shortest = min(shortest, client.Way().Scan)
		}
	}
	// Only what is needed, as a base of pushpull duet may be too old for these flags.
	if shortest < usual.MinScan {
		command = append(command, "--min-scan", shortest.String())
	}
	if frames := int(10 * s.Rate); frames > usual.Frames { // more than the most that a user sends in any second
		command = append(command, "--max-frames", strconv.Itoa(frames))
	}
	return command
}
