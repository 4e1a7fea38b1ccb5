#!/bin/sh
# Turns the session ticket keys that all pods share, and makes them the first
# time. Run it once per period, such as a day, from one place:
#
#   ./turn-ticket-keys.sh [SECRET]
#
# The secret holds one key a line: the one that encrypts, the next one, and the
# one before. A key is known to every pod for a whole period before it encrypts,
# and decrypts for a whole period after. So the period must be longer than the
# kubelets take to bring a secret to the last pod (two minutes), and every ticket
# is good for a period at least.
set -eu
secret=${1:-handover-tickets}

fresh() { openssl rand -base64 32; }
line() { printf '%s\n' "$ring" | sed -n "$1p"; }

# A failure to read must not look like a secret that is not there yet.
ring=$(kubectl get secret "$secret" --ignore-not-found -o 'jsonpath={.data.keys}')
ring=$(printf '%s' "$ring" | base64 -d)
if [ -z "$ring" ]; then
	ring=$(fresh && fresh)
	next=$ring
elif [ -z "$(line 2)" ]; then # made by hand: the new key must be known first
	new=$(fresh)
	next=$(line 1; printf '%s\n' "$new")
else
	new=$(fresh)
	next=$(line 2; printf '%s\n' "$new"; line 1)
fi
# Any other line, such as a comment, would shift what is counted here.
if printf '%s\n' "$ring" "$next" | grep -qvx '[A-Za-z0-9+/]\{43\}='; then
	echo "the secret $secret holds something else than a key a line: nothing changed" >&2
	exit 1
fi
# Server-side: the other way of kubectl apply keeps a copy in an annotation.
printf '%s\n' "$next" |
	kubectl create secret generic "$secret" --from-file=keys=/dev/stdin --dry-run=client -o yaml |
	kubectl apply --server-side --force-conflicts -f -
