package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// showsUTF8 reports that consoles of Windows show UTF-8.
func showsUTF8() bool { return true }

// takesSequences reports whether a console takes control sequences: colours, and moves of its cursor. It
// asks the console to, which one before Windows 10 refuses.
func takesSequences(console *os.File) bool {
	if os.Getenv("TERM") == "dumb" {
		return false
	}
	handle := windows.Handle(console.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
