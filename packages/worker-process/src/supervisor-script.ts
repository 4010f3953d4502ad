/**
 * What stands over one job: a POSIX shell, since it starts in a millisecond where another program takes forty. It outlives the
 * service that started it. All values come as arguments; none is ever part of the text.
 *
 * 1. It waits for the word `go`. Who dies, or changes its mind, before the job is on the disk never says it, and nothing runs.
 * 2. It claims the job by a record that only one process can make, and then sees that the job has not been forgotten: a record in a
 *    home that somebody put in place of the one that was removed would be a second claim. In this order, since the record of the
 *    removal is made before the home goes. However many were started for one job, the command runs once [W-SEND-1].
 * 3. At the timeout a subshell says why in `stopping`, ends the group with SIGTERM, and after the grace with SIGKILL. That holds
 *    while no service runs. It ignores SIGTERM from before it exists, or its own blow could end it; the supervisor catches
 *    SIGTERM, and does not ignore it, since the command would inherit that.
 *    The command's streams are opened in a subshell, or the supervisor's own remark on a signal would go to the command's stderr.
 *    The files are private, what the command makes is as private as the service's user wants it.
 * 4. The exit code goes into `ended`, before anything else of the group is ended: whoever dies here loses no outcome. A full disk
 *    only delays it.
 * 5. SIGKILL for the whole group, itself included: nothing that the command left behind goes on.
 *
 * The start of the process is field 22 of its stat file, counted from behind the name, or what ps says where there is no /proc.
 */
export const SUPERVISOR_SCRIPT = `
root=$1 key=$2 home=$3 gone=$4 timeout=$5 grace=$6 stdin=$7 mask=$8
shift 8
read -r go || exit 0

field_20() { shift 19; start=$1; }
if { read -r stat < "/proc/$$/stat"; } 2> /dev/null; then
  field_20 \${stat##*) }
else
  start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$)
fi

end() {
  until ln -s "$1" "$root/ended/$key" 2> /dev/null || [ -L "$root/ended/$key" ] || [ ! -d "$root/ended" ]; do
    sleep 1
  done
  kill -KILL 0
}

trap '' TERM
ln -s "$$ $start" "$home/claim" 2> /dev/null || exit 0
[ -L "$gone" ] && exit 0
if [ "$timeout" != 0 ]; then
  (
    sleep "$timeout"
    ln -s timeout "$root/stopping/$key" 2> /dev/null
    kill -TERM 0
    sleep "$grace"
    end '137 stopped'
  ) < /dev/null &
fi
trap : TERM

(
  umask 077
  exec < "$stdin" > "$home/stdout" 2> "$home/stderr"
  umask "$mask"
  exec "$@"
)
code=$?
[ -L "$root/stopping/$key" ] && code="$code stopped"
end "$code"
`
