#!/bin/sh
# Chromium and a Persian font for the page tests. Never fails: without them the tests that need a browser skip and say why.
command -v chromium >/dev/null 2>&1 && exit 0
packages="chromium fonts-noto-core"
without="the browser tests will be skipped"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "browser: neither chromium nor apt-get is here; $without"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "browser: no chromium; $without (sudo apt-get install --no-install-recommends $packages)"
	exit 0
fi
echo "browser: installing $packages"
mkdir -p .local
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -q && apt-get install -qy --no-install-recommends $packages; } >.local/browser.log 2>&1 ||
	echo "browser: apt-get failed, see .local/browser.log; $without"
exit 0
