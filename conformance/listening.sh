# Sourced by the scripts that start a server.

# url_of PROCESS STDOUT STDERR: the URL that a server has printed into one of these files. Fails and prints them if the
# server exits first or prints no URL within ten seconds.
url_of() {
    local process=$1 url
    shift
    for _ in $(seq 100); do
        url=$(sed -nE 's/.*(http:\/\/127\.0\.0\.1:[0-9]+).*/\1/p' "$@" | head -n 1)
        if [ -n "$url" ]; then
            echo "$url"
            return
        fi
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not say where it listens" >&2
    cat "$@" >&2
    return 1
}
