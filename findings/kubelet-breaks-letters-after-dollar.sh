#!/usr/bin/env bash
# The kubelet of Kubernetes 1.34.3 and older corrupts a character beyond ASCII that follows a dollar in `env`, `args` or `command`:
# "5 $é" reaches the program as bytes that are no UTF-8. The expansion of $(NAME) copies "the first rune" after a dollar that begins
# nothing, but takes the first byte and encodes it as a character of its own. 1.34.4 and 1.35.4 decode the rune. No syntax of Kubernetes is involved: a
# price, a name or a path is enough. Doubling the dollar ($$é) is right on both.
#
# It runs the kubelet's own expansion package, as published, of both versions on the same texts. Needs Go; downloads two modules of some 40 MB.
set -euo pipefail

OLD=v1.34.3
NEW=v1.34.4

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT

run() {
  local version=$1 source work
  source=$(cd "$folder" && go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  work="$folder/$version"
  mkdir -p "$work/expansion"
  cp "$source/third_party/forked/golang/expansion/expand.go" "$work/expansion/"
  cat > "$work/go.mod" <<'GO'
module finding

go 1.24
GO
  cat > "$work/main.go" <<'GO'
package main

import (
	"fmt"
	"unicode/utf8"

	"finding/expansion"
)

func main() {
	known := expansion.MappingFuncFor(map[string]string{"HOME": "/root"})
	for _, text := range []string{"5 $é", "$€", "$5", "$$é", "$(HOME)"} {
		seen := expansion.Expand(text, known)
		fmt.Printf("%q -> %q valid UTF-8: %v\n", text, seen, utf8.ValidString(seen))
	}
}
GO
  (cd "$work" && go run .)
}

echo "Kubernetes $OLD"
old=$(run "$OLD")
echo "$old"
echo "Kubernetes $NEW"
new=$(run "$NEW")
echo "$new"

grep -q 'valid UTF-8: false' <<< "$old" || { echo "changed: $OLD keeps the letter" >&2; exit 1; }
! grep -q 'valid UTF-8: false' <<< "$new" || { echo "changed: $NEW breaks the letter" >&2; exit 1; }
