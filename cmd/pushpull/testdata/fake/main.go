// Command fake stands in for pushpull in the tests of .github/actions/latency/duet.sh. It measures
// nothing: it prints from which trees its two servers were built, and its arguments.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
)

func main() {
	if os.Args[1] == "name" {
		fmt.Println(name)
		return
	}
	flags := flag.NewFlagSet("duet", flag.ExitOnError)
	base, head := flags.String("base", "", ""), flags.String("head", "", "")
	out := flags.String("out", "", "")
	junit, markdown := flags.String("junit", "", ""), flags.String("markdown", "", "")
	benchfmt, action := flags.String("benchfmt", "", ""), flags.String("benchmark-action", "", "")
	_ = flags.Parse(os.Args[2:]) // exits on an error
	if flags.Arg(0) == "until interrupted" {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Println("measuring")
		<-interrupted
		fmt.Println("interrupted")
		os.Exit(1)
	}
	for _, side := range []struct{ name, binary string }{{"base", *base}, {"head", *head}} {
		said, err := exec.Command(side.binary, "name").Output()
		fmt.Printf("%s %s", side.name, said)
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Printf("out %s\njunit %s\nmarkdown %s\nbenchfmt %s\nbenchmark-action %s\n", *out, *junit, *markdown, *benchfmt, *action)
	fmt.Println("args", flags.Args())
	os.Exit(3)
}
