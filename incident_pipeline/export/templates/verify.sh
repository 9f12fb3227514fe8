#!/bin/sh
# Check an export of incident-pipeline without its software:
#
#   sh verify.sh [-b BAG] [-c CHECKPOINT] [-t TSA.pem]... KEY.pem [KEY.pem ...]
#
# BAG is the folder of the export; without -b, the folder that holds this script. KEY.pem is the public key
# of a signer you trust, which you got on another way than with the export: a key from inside proves nothing.
# CHECKPOINT is one of the log that you kept; the log must begin with it. TSA.pem is the root certificate of a
# time authority you trust; without one, times are told and who vouches for them, which may be the signer alone.
# Needs sha256sum, openssl, jq, base64 and the standard tools of a POSIX system. No network.
# Exit: 0 everything holds, 1 something does not (FAILED lines name it), 3 it could not be checked.
set -u
LC_ALL=C
export LC_ALL
failed=0
unchecked=0

say() { printf '%s\n' "$*" | tr -cd '[:print:]\n'; }
ok() { say "ok     $1"; }
note() { say "note   $1"; }
fail() {
    failed=$((failed + 1))
    say "FAILED $1: $2"
}
fail_each() { while read -r name; do fail "$name" "$2"; done <"$1"; } # list of names, reason
unknown() { # something that was asked for and can't be told
    unchecked=$((unchecked + 1))
    say "not checked $1: $2"
}
cannot() {
    say "could not check: $1" >&2
    exit 3
}

for tool in sha256sum openssl jq base64 find xargs sort uniq comm cmp cut tr od wc cat head tail mktemp dirname \
    rm mkdir; do
    command -v "$tool" >/dev/null 2>&1 || cannot "the tool $tool is not here"
done
bag=$(dirname "$0")
work=$(mktemp -d) || cannot "no temporary folder"
trap 'rm -rf "$work"' EXIT
trap 'exit 3' HUP INT TERM
mkdir "$work/keys" "$work/tsa" || exit 3
pin=
while [ $# -gt 0 ]; do
    case $1 in
    -b | -c | -t) [ $# -ge 2 ] || cannot "$1 needs a value" ;;
    *) break ;;
    esac
    case $1 in
    -b) bag=$2 ;;
    -c)
        [ -f "$2" ] || cannot "$2 is no file"
        cat "$2" >"$work/pin" || exit 3
        pin=$2
        ;;
    -t)
        openssl x509 -in "$2" -out "$work/tsa.pem" 2>/dev/null || cannot "$2 is no certificate"
        cat "$work/tsa.pem" >>"$work/tsa/trusted"
        ;;
    esac
    shift 2
done
[ $# -ge 1 ] || cannot "give the trusted public key: sh verify.sh KEY.pem"
[ -d "$bag" ] || cannot "$bag is no folder"
bag=$(cd "$bag" && pwd -P) || exit 3

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
    cat "$work/der" >"$work/keys/$id.der"
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
    if ! signature_holds "$id" "$work/pae" "$work/sig"; then
        fail "$1" "has a signature that does not hold: it was altered"
        return 1
    fi
    if ! jq -e --arg type "https://incident-pipeline.dev/$2" \
        '._type == "https://in-toto.io/Statement/v1" and .predicateType == $type' \
        "$work/payload" >/dev/null 2>&1; then
        fail "$1" "is no statement of the type $2"
        return 1
    fi
    stamp "$1"
}

# signature_holds KEYID DATA SIGNATURE: with the trusted key of this id.
signature_holds() {
    case $(cat "$work/keys/$1.type") in
    ed25519)
        openssl pkeyutl -verify -pubin -inkey "$work/keys/$1.pem" -rawin -in "$2" -sigfile "$3" >/dev/null 2>&1
        ;;
    *) openssl dgst -sha256 -verify "$work/keys/$1.pem" -signature "$3" "$2" >/dev/null 2>&1 ;;
    esac
}

# stamp FILE: check the RFC 3161 tokens over the signature in $work/sig; $stamped then says when, and who says so.
stamp() {
    stamped="no time stamp"
    jq -r '.verificationMaterial.timestampVerificationData.rfc3161Timestamps[]?.signedTimestamp' "$1" \
        >"$work/tokens" 2>/dev/null
    [ -s "$work/tokens" ] || return 0
    while read -r token; do
        printf %s "$token" | base64 -d >"$work/token" 2>/dev/null
        openssl ts -reply -in "$work/token" -text >"$work/token.text" 2>/dev/null
        at=$(jq -rR 'capture("^Time stamp: (?<at>.*)$").at' "$work/token.text" 2>/dev/null)
        at=$(jq -rn --arg at "$at" '$at | sub("\\.[0-9]+ "; " ") | strptime("%b %d %H:%M:%S %Y GMT") | mktime' \
            2>/dev/null)
        case $at in
        '' | *[!0-9]*)
            fail "$1" "has a time stamp that can't be read"
            continue
            ;;
        esac
        told=$(jq -rn "$at | todate")
        if [ -f "$work/tsa/trusted" ]; then
            # A certificate that has run out since vouches for the time at which it was valid.
            if openssl ts -verify -data "$work/sig" -in "$work/token" -CAfile "$work/tsa/trusted" \
                -attime "$at" >/dev/null 2>&1; then
                stamped="stamped $told by an authority you trust"
            else
                fail "$1" "has a time stamp that does not hold under the authorities you gave"
            fi
            continue
        fi
        found=
        for authority in data/keys/tsa/*; do
            [ -f "$authority" ] || continue
            openssl ts -verify -data "$work/sig" -in "$work/token" -CAfile "$authority" -attime "$at" \
                >/dev/null 2>&1 && found=$authority && break
        done
        if [ -n "$found" ]; then
            case $(openssl x509 -in "$found" -noout -subject 2>/dev/null) in
            *"Local time authority (self-asserted)"*) who="self-asserted, by the signer's own machine" ;;
            *) who="by the authority in $found, which only the export names" ;;
            esac
            stamped="stamped $told, $who"
        elif [ -d data/keys/tsa ]; then
            fail "$1" "has a time stamp that does not hold under the authorities in data/keys/tsa"
        else
            stamped="says it was stamped $told; no authority's certificate is here to check that"
        fi
    done <"$work/tokens"
    return 0
}

# octal HEX: the same bytes as printf takes them, in $octal. Without a process per byte.
octal() {
    octal=
    hex=$1
    while [ -n "$hex" ]; do
        others=${hex#??}
        byte=$((0x${hex%"$others"}))
        octal="$octal\\$((byte >> 6))$(((byte >> 3) & 7))$((byte & 7))"
        hex=$others
    done
}

# parent LEFT RIGHT: the hash of an inner node (RFC 6962: 0x01, left, right), in $parent.
parent() {
    octal "$1$2"
    # shellcheck disable=SC2059 # the bytes are the format
    parent=$(printf "\\001$octal" | sha256sum)
    parent=${parent%% *}
}

is_hash() { case $1 in *[!0-9a-f]*) return 1 ;; *) [ ${#1} = 64 ] ;; esac; }

# included LEAF INDEX SIZE ROOT PATH...: whether an inclusion proof leads to the root (RFC 9162, 2.1.3.2).
included() {
    r=$1 fn=$2 sn=$(($3 - 1)) goal=$4
    shift 4
    [ "$fn" -le "$sn" ] || return 1
    for p in "$@"; do
        { is_hash "$p" && [ "$sn" -gt 0 ]; } || return 1
        if [ $((fn & 1)) = 1 ] || [ "$fn" = "$sn" ]; then
            parent "$p" "$r"
            while [ $((fn & 1)) = 0 ] && [ "$fn" != 0 ]; do
                fn=$((fn >> 1)) sn=$((sn >> 1))
            done
        else
            parent "$r" "$p"
        fi
        r=$parent fn=$((fn >> 1)) sn=$((sn >> 1))
    done
    [ "$sn" = 0 ] && [ "$r" = "$goal" ]
}

# checkpoint FILE NAME: check a signed note (C2SP tlog-checkpoint); then $origin, $size and $root are what it says.
checkpoint() {
    origin= size= root= blank=x
    {
        IFS= read -r origin
        IFS= read -r size
        IFS= read -r root
        IFS= read -r blank
    } <"$1"
    case $size in '' | *[!0-9]* | 0?*) size=x ;; esac
    root=$(printf %s "$root" | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
    if [ -z "$origin" ] || [ -n "$blank" ] || [ "$size" = x ] || ! is_hash "$root"; then
        fail "$2" "is no checkpoint of a log"
        return 1
    fi
    head -n 3 "$1" >"$work/note"
    tail -n +5 "$1" >"$work/note.signatures"
    by=
    while IFS=' ' read -r _ name signature; do
        [ "$name" = "$origin" ] || continue
        printf %s "$signature" | base64 -d >"$work/note.raw" 2>/dev/null
        short=$(head -c 4 "$work/note.raw" | od -An -v -tx1 | tr -d ' \n')
        tail -c +5 "$work/note.raw" >"$work/note.sig"
        for der in "$work"/keys/*.der; do
            candidate=${der##*/}
            candidate=${candidate%.der}
            case $(cat "$work/keys/$candidate.type") in
            ed25519) # name, line end, 0x01, the key's 32 bytes
                hint=$({ printf '%s\n\001' "$origin" && tail -c 32 "$der"; } | sha256sum)
                ;;
            *) hint=$(sha256sum <"$der") ;;
            esac
            [ "${hint%"${hint#????????}"}" = "$short" ] || continue
            if ! signature_holds "$candidate" "$work/note" "$work/note.sig"; then
                fail "$2" "has a signature that does not hold: it was altered"
                return 1
            fi
            by=$candidate
        done
    done <"$work/note.signatures"
    [ -n "$by" ] && return 0
    fail "$2" "is signed by none of the keys you gave"
    return 1
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

# held FILE SUMS WHO: every line "digest  name" of FILE must be a file that is there with that digest; or, where
# nothing of that name is there, one that was ended under authority or is withheld with that digest.
held() {
    sort "$1" | comm -23 - "$2" >"$work/absent"
    cut -c67- "$2" | sort >"$work/there"
    comm -23 "$work/absent" "$work/excused" | cut -c67- >"$work/wrong"
    comm -12 "$work/absent" "$work/excused" | cut -c67- | sort | comm -12 - "$work/there" >>"$work/wrong"
    fail_each "$work/wrong" "is not there with the SHA-256 that $3 says"
}

# place FOLDER KEY: check seal.log.json: the seal's leaf, its inclusion proof, and the checkpoint that leads to.
place() {
    file=${1}seal.log.json
    if ! [ -f "$file" ]; then
        note "$file: is not there, so nothing says when the seal was logged"
        return
    fi
    if ! jq -e '.schema_version == 1' "$file" >/dev/null 2>&1; then
        fail "$file" "is no place in a log"
        return
    fi
    jq -j .checkpoint "$file" >"$work/checkpoint"
    checkpoint "$work/checkpoint" "$file" || return
    leaf=$(jq -r .leaf_hash "$file")
    index=$(jq -r '.leaf_index | tostring' "$file")
    case $index in '' | *[!0-9]*) index=0 leaf= ;; esac
    said="$(jq -r '.incident + " " + (.sequence | tostring)' "$file") $leaf"
    newest=$(while read -r key number hash; do
        [ "$key" = "$2" ] && printf '%s %s %s\n' "$key" "$number" "$hash"
    done <"$work/leaves.found" | sort -n -k 2 | tail -n 1)
    if [ "$said" != "$newest" ]; then
        fail "$file" "is of another seal than the newest one here"
        return
    fi
    jq -r '.inclusion_proof[]' "$file" | tr '\n' ' ' >"$work/path"
    # shellcheck disable=SC2046 # one argument for each node
    if ! included "$leaf" "$index" "$size" "$root" $(cat "$work/path"); then
        fail "$file" "the inclusion proof does not lead from the seal to the checkpoint's root"
        return
    fi
    printf '%s %s %s\n' "$size" "$root" "$file" >>"$work/roots.stated"
    ok "$file: the seal is entry $index of $origin, by a checkpoint over $size entries signed with key $by"
}

# views FOLDER KEY: check the card of redacted views: of which originals they are, and that they are these files.
views() {
    card=${1}redaction.json
    if ! jq -e '.artifacts | type == "array"' "$card" >/dev/null 2>&1; then
        fail "$card" "is no card of a redacted view"
        return
    fi
    jq -r --arg key "$2" '.artifacts[].sha256 | $key + " " + .' "$card" | sort >"$work/carded"
    while read -r key digest; do
        [ "$key" = "$2" ] && printf '%s %s\n' "$key" "$digest"
    done <"$work/originals" | sort -u | comm -13 - "$work/carded" | cut -d ' ' -f 2 >"$work/wrong"
    fail_each "$work/wrong" "has a redacted view and is no sealed artifact"
    jq -r --arg folder "$1" '.artifacts[] | select(.state == "redacted")
        | .redacted_sha256 + "  " + $folder + "redacted/" + .sha256 + ".bin",
        .span_map_sha256 + "  " + $folder + "redacted/" + .sha256 + ".spans.json"' "$card" >"$work/views"
    held "$work/views" "$work/data.sorted" "$card"
    same=$(jq '[.artifacts[] | select(.redacted_sha256 == .sha256)] | length' "$card")
    all=$(jq '.artifacts | length' "$card")
    ok "$card: $same of $all sealed artifacts are shown as they were sealed"
    [ "$same" = "$all" ] ||
        note "$card: $((all - same)) are shown with tokens or not at all; their originals are withheld, not verified"
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

# 3. The bag's statement: without it, manifests made anew would go unnoticed. It also says what is withheld.
: >"$work/seals.stated"
: >"$work/withheld"
: >"$work/seals.withheld"
: >"$work/told"
: >"$work/excused"
redacted=
if signed bag.sigstore.json bag/v1; then
    jq -r '.subject[] | .digest.sha256 + "  " + .name' "$work/payload" >"$work/subjects"
    printf '%s\n' VERIFY.md bag-info.txt bagit.txt manifest-sha256.txt verify.sh >"$work/expected"
    cut -c67- "$work/subjects" | cmp -s - "$work/expected" ||
        fail bag.sigstore.json "does not cover the tag files of an export"
    held "$work/subjects" "$work/tags.sorted" bag.sigstore.json
    jq -r '.predicate.seals[] | .payload.sha256 + "  data/seals/" + .incident + "/"
        + ("000000" + (.sequence | tostring))[-6:] + ".sigstore.json"' "$work/payload" |
        sort >"$work/seals.stated"
    if jq -e '.predicate.redacted' "$work/payload" >/dev/null 2>&1; then
        redacted=yes
        jq -r '.predicate.redacted.withheld[] | .digest.sha256 + "  " + .name' "$work/payload" |
            sort -u >"$work/withheld"
        jq -r '.predicate.redacted.seals[] | .incident + " " + (.sequence | tostring) + " " + .leaf' \
            "$work/payload" >"$work/seals.withheld"
        jq -c '.predicate.redacted.seals[]' "$work/payload" >"$work/told"
        cat "$work/withheld" >"$work/excused"
        cut -c67- "$work/withheld" | sort >"$work/names"
        cut -c67- "$work/data.sorted" | sort | comm -12 - "$work/names" >"$work/wrong"
        fail_each "$work/wrong" "is there, and the export says it is withheld"
        note "a redacted export: $(wc -l <"$work/withheld" | tr -d ' ') files are withheld, known by their digests"
    fi
    ok "bag.sigstore.json: signed with key $id, $stamped"
fi

# 4. What was decided about the evidence after sealing: holds, erasures, disposals, each naming the entry before.
: >"$work/ended"
for folder in data/records/custody/*/; do
    [ -d "$folder" ] || continue
    key=${folder#data/records/custody/}
    key=${key%/}
    number=0
    before=
    for file in "$folder"*; do
        number=$((number + 1))
        [ "$file" = "$(printf '%s%06d.sigstore.json' "$folder" "$number")" ] ||
            fail "$file" "is not the custody entry that comes next"
        signed "$file" custody/v1 || continue
        jq -e --arg key "$key" --argjson number "$number" --arg before "$before" --arg actor "$id" \
            '.predicate | .incident == $key and .sequence == $number and .actor == $actor
            and (.previous.sha256 // "") == $before' "$work/payload" >/dev/null 2>&1 ||
            fail "$file" "is of another incident or place, or does not name the entry before it"
        before=$(sha256sum <"$work/payload" | cut -c1-64)
        told=$(jq -r '.predicate | .action + " by authority of " + .authority + " at " + .at + ": " + .reason' \
            "$work/payload")
        ok "$file: $told, signed with key $id"
        jq -r '.predicate | select(.action == "erase-key" or .action == "dispose") | .artifacts[].storedSha256
            | . + "  data/objects/" + .[:2] + "/" + .[2:]' "$work/payload" >"$work/gone"
        while read -r digest name; do
            if [ -f "$name" ]; then
                note "$name: its key was destroyed, by signed tombstone $file; the ciphertext is still here"
            else
                note "$name: disposed, by signed tombstone $file"
            fi
            printf '%s  %s\n' "$digest" "$name" >>"$work/ended"
        done <"$work/gone"
    done
done
sort -u "$work/withheld" "$work/ended" >"$work/excused"

# 5. The seals: signature, sealed bytes, and the chain from each to the one before.
: >"$work/sealed"
: >"$work/seals.found"
: >"$work/leaves.found"
: >"$work/originals"
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
        leaf=$({ printf '\000' && cat "$work/payload" "$work/sig"; } | sha256sum | cut -c1-64)
        printf '%s %s %s\n' "$key" "$number" "$leaf" >>"$work/leaves.found"
        jq -r --arg key "$key" '.predicate.artifacts[].plaintext.sha256 | $key + " " + .' "$work/payload" \
            >>"$work/originals"
        ok "$file: signed with key $id, $stamped, $(wc -l <"$work/subjects" | tr -d ' ') sealed objects"
        secret=$(jq '[.predicate.artifacts[] | select(.encoding != [])] | length' "$work/payload")
        [ "$secret" = 0 ] ||
            note "$file: $secret artifacts are encrypted; their ciphertext has a digest here, their content needs the owner's key"
    done
done
cat "$work/seals.withheld" >>"$work/leaves.found"
while read -r told; do
    printf %s "$told" >"$work/one"
    name=$(jq -r '"data/seals/" + .incident + "/" + ("000000" + (.sequence | tostring))[-6:]' "$work/one")
    note "$name.sigstore.json: withheld, it holds text that is redacted; its digests are the exporter's word"
    jq -r '.subject[] | .digest.sha256 + "  data/" + .name' "$work/one" >"$work/subjects"
    held "$work/subjects" "$work/data.sorted" bag.sigstore.json
    jq -r '.incident as $key | .artifacts[].plaintext.sha256 | $key + " " + .' "$work/one" >>"$work/originals"
done <"$work/told"
cut -c67- "$work/withheld" | sort >"$work/names"
while read -r digest name; do
    printf '%s\n' "$name" | comm -12 - "$work/names" | cmp -s - /dev/null &&
        printf '%s  %s\n' "$digest" "$name"
done <"$work/seals.stated" | sort >"$work/seals.shown"
sort "$work/seals.found" | comm -3 - "$work/seals.shown" | tr -d '\t' | cut -c67- | sort -u >"$work/wrong"
fail_each "$work/wrong" "seals and the bag's statement differ"
sort -u "$work/sealed" | cut -c67- >"$work/sealed.names"
find data/objects -type f 2>/dev/null | sort | comm -23 - "$work/sealed.names" >"$work/wrong"
fail_each "$work/wrong" "no seal names this object"

# 6. The log: its leaves are those of the seals, its checkpoints are signed, and it begins with the one you kept.
log=data/records/log
: >"$work/leaves"
entries=0
if [ -d "$log" ]; then
    find "$log/entries" -type f | sort >"$work/entries"
    while read -r file; do
        [ "$file" = "$(printf '%s/entries/%08d.json' "$log" "$entries")" ] ||
            fail "$file" "is not the log entry that comes next"
        entries=$((entries + 1))
    done <"$work/entries"
    xargs jq -r '.incident + " " + (.sequence | tostring) + " " + .leaf' <"$work/entries" >"$work/leaves"
    own=$(cat "$log/origin")
    newest=$(find "$log/checkpoints" -type f | sort | tail -n 1)
    if [ -n "$newest" ] && checkpoint "$newest" "$newest"; then
        [ "$origin" = "$own" ] || fail "$newest" "is of another log than $log/origin says"
        [ "$entries" -ge "$size" ] || fail "$log/entries" "has $entries entries, $newest covers $size: some were taken away"
        printf '%s %s %s\n' "$size" "$root" "$newest" >>"$work/roots.stated"
        # A killed run may leave one entry that no checkpoint covers.
        [ "$entries" -le $((size + 1)) ] || fail "$log/entries" "has entries that no checkpoint covers"
        covered=$size
    else
        [ -n "$newest" ] || fail "$log/checkpoints" "holds no checkpoint"
        covered=0
    fi
    # Seals of other incidents stay where they are; those of the incidents here must all be here.
    incidents=" $(cut -d ' ' -f 1 "$work/leaves.found" | sort -u | tr '\n' ' ')"
    while read -r key number leaf; do
        case $incidents in *" $key "*) printf '%s %s %s\n' "$key" "$number" "$leaf" ;; esac
    done <"$work/leaves" | sort >"$work/leaves.here"
    sort "$work/leaves.found" | comm -13 - "$work/leaves.here" >"$work/wrong"
    fail_each "$work/wrong" "is a log entry (incident, seal, leaf) that no seal here belongs to: one was changed or taken away"
    sort "$work/leaves.found" | comm -23 - "$work/leaves.here" >"$work/wrong"
    while read -r key number leaf; do
        note "seal $key/$number is not in the log"
    done <"$work/wrong"
fi

# 7. The results: which seal they rest on, its place in the log, and that every file is what a stage made of what is there.
for folder in data/results/*/; do
    [ -d "$folder" ] || continue
    key=${folder#data/results/}
    key=${key%/}
    seal=
    for file in data/seals/"$key"/*; do
        cmp -s "$file" "${folder}manifest.sigstore.json" && seal=$file
    done
    last=$(jq -rs --arg key "$key" 'map(select(.incident == $key)) | max_by(.sequence) | .sequence // ""' "$work/told")
    if [ -n "$seal" ]; then
        digest=$(jq -r '.dsseEnvelope.payload' "$seal" | base64 -d | sha256sum | cut -c1-64)
    elif [ -n "$last" ]; then
        digest=$(while read -r sum name; do
            [ "$name" = "$(printf 'data/seals/%s/%06d.sigstore.json' "$key" "$last")" ] && printf %s "$sum"
        done <"$work/seals.stated")
    else
        fail "${folder}manifest.sigstore.json" "is none of the seals of this incident"
        continue
    fi
    place "$folder" "$key"
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
        ok "$file: signed with key $id, $stamped, $(wc -l <"$work/subjects" | tr -d ' ') derived files"
    done
    sort "$work/covered" | uniq -d >"$work/wrong"
    fail_each "$work/wrong" "two statements cover this file"
    find "${folder%/}" -type f ! -path "${folder}derivations/*" ! -path "${folder}manifest.sigstore.json" \
        ! -path "${folder}seal.log.json" | sort >"$work/present"
    sort -u "$work/covered" | comm -23 "$work/present" - >"$work/wrong"
    fail_each "$work/wrong" "no derivation statement covers this file"
    cut -c67- "$work/withheld" | while read -r name; do
        case $name in "${folder}manifest.sigstore.json") ;; "$folder"*) printf '%s\n' "$name" ;; esac
    done | sort >"$work/names"
    sort -u "$work/covered" | comm -13 - "$work/names" >"$work/wrong"
    fail_each "$work/wrong" "is withheld, and no derivation statement covers it"
    [ -z "$redacted" ] || views "$folder" "$key"
done

# 8. The roots that checkpoints state, from the leaves: all of one log, and a pinned one is its beginning. This shows
# what a consistency proof shows (RFC 9162, 2.1.4): both roots follow from the same list of leaves.
if [ -n "$pin" ]; then
    if ! checkpoint "$work/pin" "$pin"; then
        :
    elif ! [ -d "$log" ]; then
        unknown "$pin" "the export has no log to compare it with"
    elif [ "$origin" != "$own" ]; then
        fail "$pin" "is of the log $origin, and the export of another one, $own"
    elif [ "$size" -gt "$covered" ]; then
        fail "$log" "the log was rolled back: it has $covered entries, and $pin covers $size"
    else
        printf '%s %s %s\n' "$size" "$root" "$pin" >>"$work/roots.stated"
    fi
fi
if [ -d "$log" ]; then
    [ -f "$work/roots.stated" ] || : >"$work/roots.stated"
    sizes=" $(cut -d ' ' -f 1 "$work/roots.stated" | tr '\n' ' ')"
    count=0
    peaks=
    : >"$work/roots"
    while read -r key number leaf; do
        if ! is_hash "$leaf"; then
            fail "$log/entries" "entry $count has no leaf hash"
            break
        fi
        peak=$leaf
        bits=$count
        while [ $((bits & 1)) = 1 ]; do
            parent "${peaks%% *}" "$peak"
            peak=$parent
            peaks=${peaks#* }
            bits=$((bits >> 1))
        done
        peaks="$peak $peaks"
        count=$((count + 1))
        case $sizes in *" $count "*) ;; *) continue ;; esac
        whole=
        for peak in $peaks; do
            if [ -z "$whole" ]; then whole=$peak; else
                parent "$peak" "$whole"
                whole=$parent
            fi
        done
        printf '%s %s\n' "$count" "$whole" >>"$work/roots"
    done <"$work/leaves"
    while read -r size root name; do
        found=
        while read -r at whole; do
            [ "$at $whole" = "$size $root" ] && found=yes
        done <"$work/roots"
        if [ -n "$found" ]; then
            ok "$name: covers the first $size of $entries entries of the log"
        elif [ "$name" = "$pin" ]; then
            fail "$log" "the log was forked: its first $size entries are not those of $pin"
        else
            fail "$name" "does not cover the first $size entries of the log: one was changed or moved"
        fi
    done <"$work/roots.stated"
    [ -n "$pin" ] ||
        note "unanchored: without a checkpoint that you kept (-c), a log that was forked or rolled back does not show"
fi

if [ "$failed" -gt 0 ]; then
    say "NOT verified: $failed findings."
    exit 1
fi
if [ "$unchecked" -gt 0 ]; then
    say "Could not be verified: $unchecked things could not be checked."
    exit 3
fi
shown="$(wc -l <"$work/data" | tr -d ' ') files, $(wc -l <"$work/seals.found" | tr -d ' ') seals"
if [ -n "$redacted" ]; then
    say "Everything that is shown holds: $shown; $(wc -l <"$work/withheld" | tr -d ' ') files are withheld, not verified."
else
    say "Everything holds: $shown."
fi
