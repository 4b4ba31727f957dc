# For start.sh of servers that can't choose a port themselves. Bash reads this file.

# A server started with it ends if this script is killed, as far as the system offers that.
orphaned=
! setpriv --pdeathsig TERM true 2>/dev/null || orphaned="setpriv --pdeathsig TERM"

# serve calls `server PORT`, which becomes the server, with a free port of this machine, or $PORT. It says where the
# server listens once it does, and ends with it. A signal to end ends the server first.
serve() {
	local try port
	pid=
	trap 'end' TERM INT
	for try in 1 2 3 4 5; do
		port=${PORT:-$((20000 + RANDOM % 12000))}
		! answers "$port" || continue
		server "$port" >&2 &
		pid=$!
		until answers "$port"; do
			kill -0 "$pid" 2>/dev/null || continue 2 # another program took the port
			sleep 0.05
		done
		echo "listening on http://127.0.0.1:$port"
		wait "$pid" || exit $?
		exit 0
	done
	echo "the server doesn't start" >&2
	exit 1
}

# answers reports whether a program listens on a port.
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

end() {
	if [ -n "$pid" ]; then
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" || true
	fi
	exit 0
}
