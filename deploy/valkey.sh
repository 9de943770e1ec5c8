#!/bin/sh
# Start Valkey with the users of redis_users.acl, or ask it whether it is well: `valkey.sh ping`. Passwords are taken out of
# the URLs of the users and go by a file, not by a command line, which everybody on the host can read.
set -eu
umask 077

password() {
    url=$(cat "/run/secrets/redis_url_$1")
    url=${url#*://"$1":}
    printf '%s' "${url%@*}"
}

if [ "${1:-}" = ping ]; then
    REDISCLI_AUTH=$(password operator) valkey-cli --user operator ping | grep -qx PONG
    exit
fi

grep '^user ' /etc/valkey/redis_users.acl | while IFS= read -r line; do
    case $line in
        *\>{*}*)
            user=${line#*\>\{}
            user=${user%%\}*}
            line="${line%%\{*}$(password "$user")${line#*\}}"
            ;;
    esac
    printf '%s\n' "$line"
done > /tmp/users.acl
exec valkey-server /etc/valkey/valkey.conf
