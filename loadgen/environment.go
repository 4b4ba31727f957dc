package loadgen

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"pushpull/loadgen/result"
	"pushpull/transports/process"
)

// measuredModules are the libraries whose versions are part of a result, as they are measured along
// with the transports.
var measuredModules = []string{
	"nhooyr.io/websocket", "github.com/HdrHistogram/hdrhistogram-go",
	"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/redis/rueidis",
	"github.com/nats-io/nats.go", "github.com/nats-io/nats-server/v2",
}

// Descriptors returns how many files this process may have open, and how many ports it has for connections to one address; 0 if
// unknown.
func Descriptors() (files, ports int) { return process.FileLimit(), portLimit() }

// Environment describes the machine, the system and the build of this process. Fields that the system
// doesn't report stay empty.
func Environment() result.Environment {
	e := result.Environment{
		Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		Pushpull: "(devel)", Modules: map[string]string{},
	}
	if cpus, err := cpu.Info(); err == nil && len(cpus) > 0 {
		e.CPU = strings.Join(strings.Fields(cpus[0].ModelName), " ")
	}
	if memory, err := mem.VirtualMemory(); err == nil {
		e.MemoryBytes = memory.Total
	}
	if info, err := host.Info(); err == nil {
		e.OS = strings.TrimSpace(info.Platform + " " + info.PlatformVersion)
		e.Kernel = info.KernelVersion
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return e
	}
	if build.Main.Version != "" {
		e.Pushpull = build.Main.Version
	}
	for _, module := range build.Deps {
		for _, name := range measuredModules {
			if module.Path == name {
				e.Modules[name] = module.Version
			}
		}
	}
	return e
}
