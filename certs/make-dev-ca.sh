#!/bin/sh
# A development authority and its certificates, for trying out nodes that trust a CA file instead of pins.
# See certs/README.md. Never for production: the authority's key lies unencrypted beside its certificates.
set -eu
umask 077

usage() {
    cat >&2 <<'TEXT'
usage: make-dev-ca.sh [-o DIR] [-d DAYS] COMMAND
  node NAME...      a certificate for each node, DNS name NAME, as server and as client
  analyst NAME...   a certificate for each person, as client only, organizational unit "analyst"
  revoke NAME...    revokes certificates that were made here, and writes a new revocation list
  crl               writes a new revocation list (valid for DAYS, 30 unless given)
DIR is certs/out beside this script unless given. The authority is made when there is none.
TEXT
    exit 64
}

out=$(dirname "$0")/out
days=
while getopts o:d: option; do
    case $option in
    o) out=$OPTARG ;;
    d) days=$OPTARG ;;
    *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
command=$1
shift
case ${days:-1} in *[!0-9]*) usage ;; esac

# A name becomes a file name and a line of configuration.
for name in "$@"; do
    case $name in '' | ca | crl | -* | .* | *[!A-Za-z0-9.-]*)
        echo "make-dev-ca.sh: a name is letters, digits, dots and hyphens, not ca or crl: $name" >&2
        exit 64
        ;;
    esac
done

mkdir -p "$out"
cd "$out"

config() {
    cat <<TEXT
[ca]
default_ca = development
[development]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = ${days:-365}
default_crl_days = ${days:-30}
unique_subject = no
policy = anything
[anything]
commonName = supplied
organizationalUnitName = optional
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[node]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:${1:-none.invalid}
authorityKeyIdentifier = keyid
[analyst]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:${1:-none.invalid}
authorityKeyIdentifier = keyid
[req]
distinguished_name = empty
[empty]
TEXT
}

quietly() {
    "$@" >openssl.log 2>&1 || {
        cat openssl.log >&2
        exit 70
    }
}

new_list() {
    config >openssl.cnf
    quietly openssl ca -config openssl.cnf -gencrl -out crl.pem
}

if [ ! -f ca.pem ]; then
    config >openssl.cnf
    : >index.txt
    openssl rand -hex 16 >serial
    echo 01 >crlnumber
    quietly openssl req -config openssl.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \
        -out ca.pem -days 3650 -subj "/CN=Entente development authority" -extensions authority
    new_list
fi

issue() {
    kind=$1
    name=$2
    config "$name" >openssl.cnf
    quietly openssl req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" \
        -out "$name.csr" -subj "/CN=$name/OU=$kind"
    quietly openssl ca -config openssl.cnf -batch -notext -extensions "$kind" -in "$name.csr" -out "$name.pem"
    rm -f "$name.csr"
    echo "$out/$name.pem"
}

case $command in
node | analyst)
    [ $# -ge 1 ] || usage
    for name in "$@"; do issue "$command" "$name"; done
    ;;
revoke)
    [ $# -ge 1 ] || usage
    config >openssl.cnf
    for name in "$@"; do quietly openssl ca -config openssl.cnf -revoke "$name.pem"; done
    new_list
    ;;
crl) new_list ;;
*) usage ;;
esac
