"""Shell scripts that trouble a server from inside its container."""

import shlex

# Every process but this one is made the kernel's first choice; `tail` then keeps what it reads.
FILL = (
    'for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || echo 1000 > $p/oom_score_adj; done '
    "2>/dev/null; exec tail /dev/zero"
)
# Every process but the pod's first one, this shell and who started it. Not at once: that one has to
# say first that it was begun.
KILL = (
    "sleep 0.2; for p in /proc/[0-9]*; do p=${p#/proc/}; "
    "case $p in 1|$$|$PPID) ;; *) kill -9 $p ;; esac; done 2>/dev/null"
)
BURN = "echo $$ > /tmp/optbuild-burn-{number}; while :; do :; done"
# `kill` of the shell: a small image has no other.
UNBURN = 'for f in /tmp/optbuild-burn-*; do kill -9 "$(cat "$f")"; rm -f "$f"; done'


def detached(script: str) -> str:
    """A script that starts another, in a shell of its own, and goes on at once."""
    return f"/bin/sh -c {shlex.quote(script)} >/dev/null 2>&1 &"


def burning(cores: str) -> str:
    """A script that starts so many busy loops, a number or what the shell makes one of."""
    loop = detached(BURN.format(number="$n"))
    return f"for n in $(seq {cores}); do export n; {loop} done"
