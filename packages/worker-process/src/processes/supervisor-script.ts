/**
 * The supervisor of one job: a POSIX shell, since it starts in a millisecond where another program takes
 * forty. It outlives the service that started it. All values come as arguments; none is part of the text. It
 * runs in a process of its own, and takes time from the machine, not from a runtime.
 *
 * 1. It waits for the word `go`. A sender that dies or gives up before the job is on the disk never says it,
 *    and nothing runs.
 * 2. It opens the job's files and starts the processes that it needs. All that can fail for want of room,
 *    files or processes comes before the claim: what fails there leaves a job that no process has claimed,
 *    and that is started again. An exit of any kind ends the whole group, so that no guard continues. The
 *    command's streams are opened under other numbers, or the supervisor's own message about a signal would
 *    go to the command's stderr. They are opened to append, since of several supervisors of one job only one
 *    may write. The files are private, what the command makes is as private as the service's user wants it.
 * 3. The process that is to become the command claims the job by a record that only one process can make, and
 *    then checks that the job has not been archived: a record in a home that was made in place of the removed
 *    one would be a second claim. In this order, since the record of the removal is made before the home
 *    goes. However many were started for one job, the command runs once [W-SEND-1]. It tells the supervisor
 *    by a signal, which needs no room.
 * 4. A guard, a subshell of its own, ends a job that is to end: at the timeout, and when a canceller has
 *    recorded in `stopping` that it is to end and has sent SIGTERM to the group. After the grace it records
 *    the end and ends the group with SIGKILL. That holds while no service runs, and when the canceller is
 *    killed at once. SIGTERM without the record comes from elsewhere, such as a system that shuts down, and
 *    is no reason to kill. The guard checks for the record after it has set its trap, so that no SIGTERM is
 *    lost; it waits by \`sleep … & wait\`, since a trap does not interrupt a command in the foreground; and
 *    its sleep ignores SIGTERM, so that a timeout begins once. It holds none of the job's files, whose room
 *    may be what the record of the end needs. The supervisor itself catches SIGTERM, and does not ignore it,
 *    since the command would inherit that.
 * 5. The exit code (of a signal 128 + its number, where ksh says 256) goes into `ended`, before anything else
 *    of the group is ended: a supervisor that dies here loses no outcome. The guard is ended first, or it
 *    could call a job timed out that waits for nothing but its record. A full disk only delays the record,
 *    and what the command no longer reads makes room for it; where no process can be started for it, the
 *    shell itself becomes it.
 * 6. SIGKILL for the whole group, itself included: nothing that the command left behind goes on.
 *
 * The start of the process is field 22 of its stat file, counted from behind the name, or what ps says where
 * there is no /proc.
 */
export const SUPERVISOR_SCRIPT = `
root=$1 key=$2 home=$3 gone=$4 timeout=$5 grace=$6 stdin=$7 mask=$8
shift 8
read -r go || exit 0
trap 'kill -KILL 0' EXIT

field_20() { shift 19; start=$1; }
if { read -r stat < "/proc/$$/stat"; } 2> /dev/null; then
  field_20 \${stat##*")" }
else
  start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$)
fi

conclude() {
  until ln -s "$1" "$root/ended/$key" 2> /dev/null || [ -L "$root/ended/$key" ] || [ ! -d "$root/ended" ]; do
    rm -f "$home/stdin"
    sleep 1
  done
  kill -KILL 0
}

umask 077
exec 3< "$stdin" 4>> "$home/stdout" 5>> "$home/stderr" || exit 1
umask "$mask"

end_after_grace() {
  trap '' TERM
  sleep "$grace"
  conclude '137 stopped'
}
told() { [ ! -L "$root/stopping/$key" ] || end_after_grace; }

trap '' TERM
(
  span=$timeout
  [ "$timeout" != 0 ] || span=86400
  while :; do
    sleep "$span" &
    nap=$!
    trap told TERM
    told
    wait "$nap"
    slept=$?
    while kill -0 "$nap" 2> /dev/null; do
      wait "$nap"
      slept=$?
    done
    trap '' TERM
    if [ "$slept" = 0 ] && [ "$timeout" != 0 ]; then
      ln -s timeout "$root/stopping/$key" 2> /dev/null
      kill -TERM 0
      end_after_grace
    fi
    [ "$slept" = 0 ] || [ "$slept" -gt 128 ] || exit 1
  done
) < /dev/null 3<&- 4>&- 5>&- &
guard=$!
trap : TERM

ours=
trap 'ours=1' USR1
(
  trap '' TERM
  trap 'kill -KILL 0' EXIT
  ln -s "$$ $start" "$home/claim" 2> /dev/null || exit 1
  [ -L "$gone" ] && exit 1
  kill -USR1 $$
  trap - EXIT
  trap - TERM
  exec "$@" <&3 >&4 2>&5 3<&- 4>&- 5>&-
)
code=$?
[ "$code" -le 256 ] || code=$((code - 128))
exec 3<&- 4>&- 5>&-
[ -n "$ours" ] || exit 1
kill -KILL "$guard" 2> /dev/null
[ -L "$root/stopping/$key" ] && code="$code stopped"
trap 'exec ln -s "$code" "$root/ended/$key"' EXIT
conclude "$code"
`
