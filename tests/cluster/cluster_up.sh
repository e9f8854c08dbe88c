#!/usr/bin/env bash
# Virtual hosts on this machine, for tests over several nodes: node1 .. nodeN, each with its own network, UTS, PID, IPC and
# mount namespace (own name, address, /dev/shm, /etc/hosts), and "login", which holds the bridge between them and from
# which cluster_run.sh starts mpirun. The addresses 10.77.0.x exist only inside these namespaces, and no route leaves them.
# Needs root. Hosts that are up already stay. cluster_down.sh DIR ends them.
#
# usage: cluster_up.sh HOSTS DIR     (SLOTS=2: ranks that Open MPI may start on each)
set -eu -o pipefail

[ $# -eq 2 ] || { echo "usage: $0 HOSTS DIR" >&2 && exit 64; }
hosts=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
net=10.77.0
export PATH=$PATH:/usr/sbin:/sbin

is_up() { # HOST
    [ -s "$dir/$1.pid" ] && kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null
}

# wait_until SECONDS COMMAND...
wait_until() {
    local tries=$(($1 * 50))
    shift
    until "$@"; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.02
    done
}

write_tables() {
    local i
    {
        echo "127.0.0.1 localhost"
        echo "$net.254 login"
        for i in $(seq "$hosts"); do echo "$net.$i node$i"; done
    } >"$dir/hosts"
    for i in $(seq "$hosts"); do echo "node$i slots=${SLOTS:-2}"; done >"$dir/hostfile"
}

# What ssh would be: runs a command on a host, in a clean environment.
write_agent() {
    cat >"$dir/agent" <<AGENT
#!/usr/bin/env bash
host=\$1
shift
pid=\$(cat '$dir'/"\$host.pid") && kill -0 "\$pid" 2>/dev/null || { echo "\$host does not answer" >&2 && exit 255; }
exec nsenter -t "\$pid" --net --uts --mount --ipc --pid --wd=/ -- \\
    env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root USER=root SHELL=/bin/bash \\
    TMPDIR='$dir'/"tmp-\$host" sh -c "\$*"
AGENT
    chmod 755 "$dir/agent"
}

# Runs inside the new namespaces, as what keeps them: it only waits.
# shellcheck disable=SC2016 # expanded by the shell that runs it
keeper='
hostname "$1" && mount --bind "$2/hosts" /etc/hosts && mount -t tmpfs -o size=512m,mode=1777 shm /dev/shm &&
    ip link set lo up && : >"$2/$1.ready" || exit 1
trap "exit 0" TERM
while :; do sleep 3600 & wait $!; done'

# start_host NAME UNSHARE_OPTION...: leaves the PID of the keeper in NAME.pid
start_host() {
    local name=$1 pid
    shift
    rm -f "$dir/$name.pid" "$dir/$name.ready"
    mkdir -p "$dir/tmp-$name"
    setsid unshare --net --uts --mount --ipc "$@" bash -c "$keeper" keeper "$name" "$dir" </dev/null >"$dir/$name.log" 2>&1 &
    pid=$!
    wait_until 5 test -e "$dir/$name.ready" || { cat "$dir/$name.log" >&2 && exit 1; }
    case " $* " in
    # unshare --fork stays outside as the parent; otherwise it has become the keeper
    *' --fork '*) pid=$(awk '{ print $1 }' "/proc/$pid/task/$pid/children") ;;
    esac
    echo "$pid" >"$dir/$name.pid"
}

start_login() {
    start_host login
    nsenter -t "$(cat "$dir/login.pid")" -n sh -c \
        "ip link add br0 type bridge && ip addr add $net.254/24 dev br0 && ip link set br0 up"
}

start_node() { # NUMBER
    local login node
    start_host "node$1" --pid --fork --kill-child --mount-proc
    login=$(cat "$dir/login.pid") node=$(cat "$dir/node$1.pid")
    nsenter -t "$login" -n ip link add "veth$1" type veth peer name eth0 netns "$node"
    nsenter -t "$login" -n ip link set "veth$1" master br0 up
    nsenter -t "$node" -n sh -c "ip addr add $net.$1/24 dev eth0 && ip link set eth0 up"
}

# A closed port that refuses shows that the host is there, without ping.
answers() { # NUMBER
    local words
    words=$(nsenter -t "$(cat "$dir/login.pid")" -n timeout 1 bash -c "exec 3<>/dev/tcp/$net.$1/9" 2>&1) || true
    [[ $words == *refused* ]]
}

write_tables
write_agent
is_up login || start_login
for i in $(seq "$hosts"); do
    is_up "node$i" || start_node "$i"
done
for i in $(seq "$hosts"); do
    wait_until 5 answers "$i" || { echo "node$i does not answer" >&2 && exit 1; }
done
