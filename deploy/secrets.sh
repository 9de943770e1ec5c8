#!/bin/sh
# Make the secrets that docker-compose.yml hands to its containers: `make secrets`, or `sh deploy/secrets.sh [FOLDER]`.
# What is there already stays, so it may run again; only what was printed is new. Delete a file to have it made anew.
set -eu
umask 077
folder=${1:-secrets}
mkdir -p "$folder"
# Nobody else gets into the folder. The files in it are readable for all, because compose mounts them into containers
# whose users are not the one of this host who made them, each file on its own and never the folder.
chmod 0700 "$folder"

random() { head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c "$1"; }

# keep NAME CONTENT: written whole or not at all.
keep() {
    [ -s "$folder/$1" ] && return 0
    printf '%s\n' "$2" > "$folder/.$1.new"
    chmod 0444 "$folder/.$1.new"
    mv -f "$folder/.$1.new" "$folder/$1"
    echo "made $folder/$1"
}

keep jwt_secrets "k1:$(random 48)"
keep flower_password "$(random 24)"
keep postgres_password "$(random 32)"
keep database_url "postgresql+psycopg://bellhop:$(cat "$folder/postgres_password")@postgres:5432/bellhop"
# The users of deploy/redis_users.acl.
for user in operator api worker node beat flower; do
    keep "redis_url_$user" "redis://$user:$(random 32)@valkey:6379/0"
done
