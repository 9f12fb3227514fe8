#!/bin/sh
# Check an export of incident-pipeline without its software: sh verify.sh [-b BAG] KEY.pem [KEY.pem ...]
#
# BAG is the folder of the export; without -b, the folder that holds this script. KEY.pem is the public key
# of a signer you trust, which you got on another way than with the export: a key from inside proves nothing.
# Needs sha256sum, openssl, jq, base64 and the standard tools of a POSIX system. No network.
# Exit: 0 everything holds, 1 something does not (FAILED lines name it), 3 it could not be checked.
set -u
LC_ALL=C
export LC_ALL
failed=0

say() { printf '%s\n' "$*" | tr -cd '[:print:]\n'; }
ok() { say "ok     $1"; }
fail() {
    failed=$((failed + 1))
    say "FAILED $1: $2"
}
fail_each() { while read -r name; do fail "$name" "$2"; done <"$1"; } # list of names, reason
cannot() {
    say "could not check: $1" >&2
    exit 3
}

for tool in sha256sum openssl jq base64 find xargs sort uniq comm cmp cut tr wc cat head tail mktemp dirname; do
    command -v "$tool" >/dev/null 2>&1 || cannot "the tool $tool is not here"
done
bag=$(dirname "$0")
if [ "${1-}" = -b ]; then
    [ $# -ge 2 ] || cannot "-b needs a folder"
    bag=$2
    shift 2
fi
[ $# -ge 1 ] || cannot "give the trusted public key: sh verify.sh KEY.pem"
[ -d "$bag" ] || cannot "$bag is no folder"
bag=$(cd "$bag" && pwd -P) || exit 3
work=$(mktemp -d) || cannot "no temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 3' HUP INT TERM
mkdir "$work/keys" || exit 3

# A key's id is the SHA-256 of its DER form, so signatures find their key and nothing else does.
for key in "$@"; do
    [ -f "$key" ] || cannot "$key is no file"
    place=$(cd "$(dirname "$key")" && pwd -P) || exit 3
    case $place/ in
    "$bag"/*) cannot "$key came with the export; get the key on another way" ;;
    esac
    text=$(openssl pkey -pubin -in "$key" -noout -text 2>/dev/null) || cannot "$key is no public key"
    openssl pkey -pubin -in "$key" -outform DER >"$work/der" 2>/dev/null || cannot "$key is no public key"
    id=$(sha256sum <"$work/der" | cut -c1-64)
    case $text in
    *ED25519*) echo ed25519 >"$work/keys/$id.type" ;;
    *P-256*) echo p256 >"$work/keys/$id.type" ;;
    *) cannot "$key is neither an Ed25519 nor a P-256 key" ;;
    esac
    cat "$key" >"$work/keys/$id.pem"
    say "trust  key $id"
done
cd "$bag" || exit 3

# signed FILE TYPE: check a DSSE envelope in a Sigstore bundle; its payload is then in $work/payload.
signed() {
    if ! [ -f "$1" ]; then
        fail "$1" "is not there"
        return 1
    fi
    # The bundle around the signature has one form only, so that no byte of the file is free to change.
    if ! jq -S --indent 1 . "$1" >"$work/form" 2>/dev/null || ! cmp -s "$1" "$work/form"; then
        fail "$1" "is not in its one form: it was changed outside the signed part"
        return 1
    fi
    if ! jq -ers 'if length == 1 and (.[0]
        | keys == ["dsseEnvelope", "mediaType", "verificationMaterial"]
        and .mediaType == "application/vnd.dev.sigstore.bundle.v0.3+json"
        and (.verificationMaterial | keys - ["timestampVerificationData"] == ["publicKey"])
        and (.dsseEnvelope | keys == ["payload", "payloadType", "signatures"])
        and .dsseEnvelope.payloadType == "application/vnd.in-toto+json"
        and (.dsseEnvelope.signatures | length == 1)
        and (.dsseEnvelope.signatures[0] | keys == ["keyid", "sig"])
        and .verificationMaterial.publicKey == {hint: .dsseEnvelope.signatures[0].keyid})
        then .[0].dsseEnvelope | .signatures[0].keyid, .payload, .signatures[0].sig else empty end' \
        "$1" >"$work/parts" 2>/dev/null || [ "$(wc -l <"$work/parts" | tr -d ' ')" != 3 ]; then
        fail "$1" "is no signed statement"
        return 1
    fi
    id=$(head -n 1 "$work/parts" | tr -cd '0-9a-f')
    if ! [ -f "$work/keys/$id.pem" ]; then
        fail "$1" "is signed with key $id, which is none of those you gave"
        return 1
    fi
    for part in 2:payload 3:sig; do
        tail -n "+${part%:*}" "$work/parts" | head -n 1 | tr -d '\n' >"$work/base64"
        base64 -d <"$work/base64" >"$work/${part#*:}" 2>/dev/null
        base64 <"$work/${part#*:}" | tr -d '\n' >"$work/again"
        if ! cmp -s "$work/base64" "$work/again"; then
            fail "$1" "is not in its one form: its base64 was changed"
            return 1
        fi
    done
    size=$(wc -c <"$work/payload" | tr -d ' ')
    {
        printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$size"
        cat "$work/payload"
    } >"$work/pae"
    case $(cat "$work/keys/$id.type") in
    ed25519)
        openssl pkeyutl -verify -pubin -inkey "$work/keys/$id.pem" -rawin -in "$work/pae" \
            -sigfile "$work/sig" >/dev/null 2>&1
        ;;
    *)
        openssl dgst -sha256 -verify "$work/keys/$id.pem" -signature "$work/sig" "$work/pae" >/dev/null 2>&1
        ;;
    esac || {
        fail "$1" "has a signature that does not hold: it was altered"
        return 1
    }
    if ! jq -e --arg type "https://incident-pipeline.dev/$2" \
        '._type == "https://in-toto.io/Statement/v1" and .predicateType == $type' \
        "$work/payload" >/dev/null 2>&1; then
        fail "$1" "is no statement of the type $2"
        return 1
    fi
}

# compare MANIFEST SUMS: the manifest must be, byte for byte, the sums of the files that are there.
compare() {
    if ! [ -f "$1" ]; then
        fail "$1" "is not there"
        return
    fi
    if cmp -s "$1" "$2"; then
        ok "$1: $(wc -l <"$2" | tr -d ' ') files"
        return
    fi
    sort "$1" >"$work/listed"
    sort "$2" >"$work/present"
    cut -c67- "$1" | sort -u >"$work/listed.names"
    cut -c67- "$2" | sort >"$work/present.names"
    comm -13 "$work/listed.names" "$work/present.names" >"$work/added"
    comm -23 "$work/listed.names" "$work/present.names" >"$work/missing"
    comm -13 "$work/listed" "$work/present" | cut -c67- | sort >"$work/differ"
    comm -12 "$work/differ" "$work/listed.names" >"$work/changed"
    fail_each "$work/added" "is not in $1: it was added"
    fail_each "$work/missing" "is in $1 and not there"
    fail_each "$work/changed" "does not have the SHA-256 that $1 says"
    fail "$1" "is not the list of the files that are there"
}

# held FILE SUMS WHO: every line "digest  name" of FILE must be a file that is there with that digest.
held() {
    sort "$1" | comm -23 - "$2" | cut -c67- >"$work/wrong"
    fail_each "$work/wrong" "is not there with the SHA-256 that $3 says"
}

# 1. What has no place in an export: links, devices, empty folders, names that could be misread.
find . -name '*[!A-Za-z0-9._-]*' >"$work/names"
if [ -s "$work/names" ]; then
    fail_each "$work/names" "has a name that no export has"
    say "NOT verified: $failed findings."
    exit 1
fi
find . ! -type f ! -type d | cut -c3- >"$work/odd"
fail_each "$work/odd" "is a link or no regular file"
find . -type d -empty | cut -c3- >"$work/empty"
fail_each "$work/empty" "is an empty folder"

# 2. The files that are there, against the manifests.
: >"$work/data"
if [ -d data ]; then
    find data -type f | sort | xargs sha256sum -- >"$work/data"
fi
find . -type f ! -path './data/*' ! -path ./tagmanifest-sha256.txt | cut -c3- | sort |
    xargs sha256sum -- >"$work/tags"
sort "$work/data" >"$work/data.sorted"
sort "$work/tags" >"$work/tags.sorted"
printf '%s\n' VERIFY.md bag-info.txt bag.sigstore.json bagit.txt manifest-sha256.txt verify.sh >"$work/expected"
cut -c67- "$work/tags" | comm -23 - "$work/expected" >"$work/wrong"
fail_each "$work/wrong" "is no file of an export"
compare tagmanifest-sha256.txt "$work/tags"
compare manifest-sha256.txt "$work/data"

# 3. The bag's statement: without it, manifests made anew would go unnoticed.
: >"$work/seals.stated"
if signed bag.sigstore.json bag/v1; then
    jq -r '.subject[] | .digest.sha256 + "  " + .name' "$work/payload" >"$work/subjects"
    printf '%s\n' VERIFY.md bag-info.txt bagit.txt manifest-sha256.txt verify.sh >"$work/expected"
    cut -c67- "$work/subjects" | cmp -s - "$work/expected" ||
        fail bag.sigstore.json "does not cover the tag files of an export"
    held "$work/subjects" "$work/tags.sorted" bag.sigstore.json
    jq -r '.predicate.seals[] | .payload.sha256 + "  data/seals/" + .incident + "/"
        + ("000000" + (.sequence | tostring))[-6:] + ".sigstore.json"' "$work/payload" |
        sort >"$work/seals.stated"
    ok "bag.sigstore.json: signed with key $id"
fi

# 4. The seals: signature, sealed bytes, and the chain from each to the one before.
: >"$work/sealed"
: >"$work/seals.found"
for folder in data/seals/*/; do
    [ -d "$folder" ] || continue
    key=${folder#data/seals/}
    key=${key%/}
    number=0
    before=
    for file in "$folder"*; do
        number=$((number + 1))
        [ "$file" = "$(printf '%s%06d.sigstore.json' "$folder" "$number")" ] ||
            fail "$file" "is not the seal that comes next"
        signed "$file" evidence-seal/v1 || continue
        jq -e --arg key "$key" --argjson number "$number" --arg before "$before" \
            '.predicate.incident.key == $key and .predicate.seal.sequence == $number
            and (.predicate.seal.previous.sha256 // "") == $before' "$work/payload" >/dev/null 2>&1 ||
            fail "$file" "is of another incident or place, or does not name the seal before it"
        before=$(sha256sum <"$work/payload" | cut -c1-64)
        printf '%s  %s\n' "$before" "$file" >>"$work/seals.found"
        jq -r '.subject[] | .digest.sha256 + "  data/" + .name' "$work/payload" >"$work/subjects"
        cat "$work/subjects" >>"$work/sealed"
        held "$work/subjects" "$work/data.sorted" "$file"
        ok "$file: signed with key $id, $(wc -l <"$work/subjects" | tr -d ' ') sealed objects"
    done
done
sort "$work/seals.found" | comm -3 - "$work/seals.stated" | tr -d '\t' | cut -c67- | sort -u >"$work/wrong"
fail_each "$work/wrong" "seals and the bag's statement differ"
sort -u "$work/sealed" | cut -c67- >"$work/sealed.names"
find data/objects -type f 2>/dev/null | sort | comm -23 - "$work/sealed.names" >"$work/wrong"
fail_each "$work/wrong" "no seal names this object"

# 5. What was decided about the evidence after sealing: holds, erasures, disposals.
for file in data/records/custody/*/*; do
    [ -f "$file" ] || continue
    signed "$file" custody/v1 && ok "$file: $(jq -r .predicate.action "$work/payload"), signed with key $id"
done

# 6. The results: which seal they rest on, and that every file is what a stage made of what is there.
for folder in data/results/*/; do
    [ -d "$folder" ] || continue
    key=${folder#data/results/}
    key=${key%/}
    seal=
    for file in data/seals/"$key"/*; do
        cmp -s "$file" "${folder}manifest.sigstore.json" && seal=$file
    done
    if [ -z "$seal" ]; then
        fail "${folder}manifest.sigstore.json" "is none of the seals of this incident"
        continue
    fi
    digest=$(jq -r '.dsseEnvelope.payload' "$seal" | base64 -d | sha256sum | cut -c1-64)
    : >"$work/covered"
    for file in "$folder"derivations/*; do
        signed "$file" derivation/v1 || continue
        stage=${file##*/}
        stage=${stage%.sigstore.json}
        jq -e --arg key "$key" --arg stage "$stage" --arg seal "$digest" \
            '.predicate.incident == {key: $key, seal: {sha256: $seal}} and .predicate.stage == $stage' \
            "$work/payload" >/dev/null 2>&1 || fail "$file" "is of another incident, seal or stage"
        jq -r --arg folder "$folder" '.subject[] | .digest.sha256 + "  " + $folder + .name' \
            "$work/payload" >"$work/subjects"
        jq -r --arg folder "$folder" '.predicate.materials[] | .digest.sha256 + "  "
            + (if .name | startswith("objects/") then "data/" else $folder end) + .name' \
            "$work/payload" >"$work/materials"
        cut -c67- "$work/subjects" >>"$work/covered"
        held "$work/subjects" "$work/data.sorted" "$file"
        held "$work/materials" "$work/data.sorted" "$file"
        ok "$file: signed with key $id, $(wc -l <"$work/subjects" | tr -d ' ') derived files"
    done
    sort "$work/covered" | uniq -d >"$work/wrong"
    fail_each "$work/wrong" "two statements cover this file"
    find "${folder%/}" -type f ! -path "${folder}derivations/*" ! -path "${folder}manifest.sigstore.json" \
        ! -path "${folder}seal.log.json" | sort >"$work/present"
    sort -u "$work/covered" | comm -23 "$work/present" - >"$work/wrong"
    fail_each "$work/wrong" "no derivation statement covers this file"
done

if [ "$failed" -gt 0 ]; then
    say "NOT verified: $failed findings."
    exit 1
fi
say "Everything holds: $(wc -l <"$work/data" | tr -d ' ') files, $(wc -l <"$work/seals.found" | tr -d ' ') seals."
