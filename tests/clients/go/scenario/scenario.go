// Package scenario is what the Go programs share: records to send, waiting, and the lines that ../table.py reads.
package scenario

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

// Patience is how long anything may take.
const Patience = 30 * time.Second

var (
	// Bootstrap is the broker's address.
	Bootstrap = os.Args[1]
	// Codecs are Kafka's, by name and in the order of their numbers.
	Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	// Odd are keys and values that are easily mistaken for one another.
	Odd = [][2][]byte{{nil, {}}, {{}, []byte("v")}, {[]byte("k"), nil}, {{}, nil}, {nil, []byte("v")}}
	// Large is near the limit of a default topic.
	Large = bytes.Repeat([]byte("0123456789"), 90_000)
	// Base is an hour ago: records of long ago could be removed by retention at any moment.
	Base = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
)

// Step is a scenario; what it gives back is a remark on it.
type Step struct {
	Name string
	Do   func() string
}

// Plain is a step without a remark.
func Plain(name string, do func()) Step {
	return Step{name, func() string { do(); return "" }}
}

// Version is that of a module this program was built with.
func Version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, one := range info.Deps {
		if one.Path == module {
			return strings.TrimPrefix(one.Version, "v")
		}
	}
	return "unknown"
}

// Name is one that no other run uses.
func Name(stem string) string {
	return fmt.Sprintf("go-%d-%s", os.Getpid(), stem)
}

// Values are what is sent where nothing special is needed.
func Values(stem string, count int) (all [][]byte) {
	for i := range count {
		all = append(all, bytes.Repeat(fmt.Appendf(nil, "%s %d ", stem, i), 10))
	}
	return all
}

// Run runs the steps in order. Left out are those with a reason in without: {reason: scenarios}.
func Run(client string, steps []Step, without map[string]string) {
	fmt.Println("  client", client)
	wanted, chosen := os.LookupEnv("SCENARIOS")
	reasons := map[string]string{}
	for reason, scenarios := range without {
		for _, one := range strings.Fields(scenarios) {
			reasons[one] = reason
		}
	}
	for _, step := range steps {
		if _, left := reasons[step.Name]; left || chosen && !strings.Contains(" "+wanted+" ", " "+step.Name+" ") {
			continue
		}
		began := time.Now()
		said := step.Name
		if remark := step.Do(); remark != "" {
			said += ": " + remark
		}
		fmt.Printf("  ok %s (%.1f s)\n", said, time.Since(began).Seconds())
	}
	for one, reason := range reasons {
		fmt.Printf("  no %s: %s\n", one, reason)
	}
}

// Eventually waits until the check holds.
func Eventually(check func() bool) {
	for deadline := time.Now().Add(Patience); !check(); time.Sleep(50 * time.Millisecond) {
		Check(time.Now().Before(deadline), "gave up waiting")
	}
}

// Same panics if two things print differently.
func Same(got, expected any) {
	if a, b := fmt.Sprint(got), fmt.Sprint(expected); a != b {
		log.Panicf("got %.300s; expected %.300s", a, b)
	}
}

// Must panics on an error.
func Must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

// Check panics if something does not hold.
func Check(ok bool, what ...any) {
	if !ok {
		log.Panic(what...)
	}
}
