package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// anyCore leaves a process where the scheduler puts it.
const anyCore = -1

// A process is one that a scenario started.
type process struct {
	cmd   *exec.Cmd
	ready map[string]string // what the ready line names
	took  time.Duration     // from start to the ready line
	log   bytes.Buffer
}

// A launch says what to start.
type launch struct {
	program string
	args    []string
	env     []string
	core    int // the processor it is pinned to; anyCore: none
}

// process is what a launch will be; it is not begun.
func (l *launch) process(ctx context.Context) *process {
	p := &process{cmd: exec.CommandContext(ctx, l.program, l.args...)}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.Stderr = &p.log
	p.cmd.Env = append(os.Environ(), l.env...)
	if l.core != anyCore {
		p.cmd.Env = append(p.cmd.Env, "GOMAXPROCS=1")
	}
	return p
}

// start begins a process and waits for its ready line.
func start(ctx context.Context, l launch) (*process, error) {
	p := l.process(ctx)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := startPinned(p.cmd, l.core); err != nil {
		return nil, fmt.Errorf("%s: %w", l.args[0], err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "ready") {
			continue
		}
		p.took, p.ready = time.Since(begin), map[string]string{}
		for _, field := range strings.Fields(line) {
			if name, value, ok := strings.Cut(field, "="); ok {
				p.ready[name] = value
			}
		}
		return p, nil
	}
	err = errors.Join(p.cmd.Wait(), lines.Err())
	return nil, fmt.Errorf("%s ended before it was ready: %w\n%s", strings.Join(l.args, " "), err, p.log.String())
}

// startPinned starts cmd on one core: a child inherits the affinity of the thread that forks it.
func startPinned(cmd *exec.Cmd, core int) error {
	if core == anyCore {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	restore, err := pin(core)
	if err != nil {
		return err
	}
	return errors.Join(cmd.Start(), restore())
}

// pin binds the calling thread to a core until restore is called.
func pin(core int) (restore func() error, err error) {
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return nil, err
	}
	return func() error { return unix.SchedSetaffinity(0, &before) }, nil
}

// stop ends the process and waits for it. It answers how long that took.
func (p *process) stop() (time.Duration, error) {
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	err := p.cmd.Wait()
	return time.Since(begin), err
}

// kill ends the process as a crash would.
func (p *process) kill() {
	if p == nil || p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is the processor time that the process has used, as the scheduler counted it for each thread.
func (p *process) cpu() (time.Duration, error) {
	dir := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, task := range tasks {
		data, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			continue // the thread ended
		}
		first, _, _ := strings.Cut(string(data), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n)
	}
	return total, nil
}

// memory is a line of the process's status, in bytes.
func (p *process) memory(line string) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(l, line); ok {
			kb, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no " + line)
}

// pinAll binds every thread of this process to a core until restore is called.
func pinAll(core int) (restore func(), err error) {
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return nil, err
	}
	one.Set(core)
	if err := eachThread(&one); err != nil {
		return nil, err
	}
	return func() {
		if err := eachThread(&all); err != nil {
			fmt.Fprintln(os.Stderr, "bench: still pinned:", err)
		}
	}, nil
}

func eachThread(set *unix.CPUSet) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
