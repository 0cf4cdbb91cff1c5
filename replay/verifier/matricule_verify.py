#!/usr/bin/env python3
"""Verifies a Matricule audit bundle, offline, from the file and trusted public keys only.

Written from the documentation (docs/audit-bundles.md), sharing no code with the program that makes bundles. Needs
Python 3.9 and, for Ed25519, the `openssl` command (3.0 or later).

    matricule_verify.py --vkey 'compte.example.org/log+1a2b3c4d+AT…' bundle.zip
    matricule_verify.py --trust keys.txt --witnesses 1 --json bundle.zip

Without keys, the bundle's own are taken: that shows that it is consistent, not whose it is.

Exit code: 0 all verified (or erased), 1 something failed, 3 nothing failed but something is pending, 4 all verified, but
by the bundle's own key only, 2 wrong use.
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
import zipfile

FORMAT = "matricule-bundle/1"
LARGEST = 1 << 30
FIXED = {"bundle.json", "checkpoint", "vkeys", "erased.json"} | {
    f"report.{language}.{kind}" for language in ("fr", "en") for kind in ("html", "pdf")
}
ERASING = {"AccountErased": "account", "GuardianErased": "guardian", "PupilErased": "pupil"}
# The order in which reports name checks.
ORDER = [
    "leaf", "stream-chain", "segment-open", "segment-commitment", "erasure-event", "manifest", "checkpoint-signature",
    "bundle-form", "entry", "inclusion",
]


class Bad(Exception):
    """Something is not of the form that the documentation gives."""


# ---------------------------------------------------------------------------------------------------------------------
# Hashes and trees (RFC 6962)


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_of(entry):
    return sha256(b"\x00" + entry)


def parent(left, right):
    return sha256(b"\x01" + left + right)


def included(index, size, root, leaf, path):
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size < 1 << 62:
        return False
    first, second, node = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            node = parent(sibling, node)
            while not first & 1 and first:
                first >>= 1
                second >>= 1
        else:
            node = parent(node, sibling)
        first >>= 1
        second >>= 1
    return second == 0 and node == root


def hash_of(text):
    """64 hexadecimal digits, lower case; else nothing."""
    return bytes.fromhex(text) if re.fullmatch(r"[0-9a-f]{64}", text) else None


# ---------------------------------------------------------------------------------------------------------------------
# Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature)


def base64_of(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad(f"`{text}` is no base64")
    if base64.b64encode(data).decode() != text:
        raise Bad(f"`{text}` is not the only way to write that in base64")
    return data


class Key:
    """A verifier key: name+hash+base64(kind ‖ public key)."""

    def __init__(self, text):
        self.text = text.strip()
        parts = self.text.split("+", 2)
        if len(parts) != 3:
            raise Bad(f"`{text}` is no verifier key (name+hash+key)")
        self.name, self.id, encoded = parts[0], parts[1], base64_of(parts[2])
        if len(encoded) != 33 or encoded[0] not in (1, 4):
            raise Bad(f"`{text}`: only Ed25519 keys (1) and Ed25519 cosigners (4) are known")
        self.cosigner, self.public = encoded[0] == 4, encoded[1:]
        if sha256(self.name.encode() + b"\n" + encoded)[:4].hex() != self.id:
            raise Bad(f"`{text}`: the hash does not belong to name and key: copy it again")

    def signs(self, text, signature):
        if not self.cosigner:
            return ed25519(self.public, text, signature)
        if len(signature) != 72:
            return False
        time = int.from_bytes(signature[:8], "big")
        return ed25519(self.public, f"cosignature/v1\ntime {time}\n".encode() + text, signature[8:])


def ed25519(public, message, signature):
    if len(signature) != 64:
        return False
    der = bytes.fromhex("302a300506032b6570032100") + public
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, data in (("key", der), ("message", message), ("signature", signature)):
            paths[name] = os.path.join(folder, name)
            with open(paths[name], "wb") as file:
                file.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths["key"], "-rawin"]
        command += ["-in", paths["message"], "-sigfile", paths["signature"]]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            print("matricule_verify: the program `openssl` is needed to check signatures", file=sys.stderr)
            sys.exit(2)


class Checkpoint:
    """A note of a checkpoint, nothing verified yet."""

    def __init__(self, data):
        try:
            note = data.decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("the checkpoint is no text")
        body, separator, signatures = note.rpartition("\n\n")
        lines = signatures.split("\n")
        if not separator or lines.pop() != "" or not lines:
            raise Bad("not a signed note")
        self.note, self.text = note, (body + "\n").encode()
        self.signatures = []
        for line in lines:
            match = re.fullmatch(r"— ([^ +]+) ([A-Za-z0-9+/=]+)", line)
            data = base64_of(match[2]) if match else b""
            if len(data) < 5:
                raise Bad("a line of signature is none")
            self.signatures.append((match[1], data[:4].hex(), data[4:]))
        head = body.split("\n")
        if len(head) < 3 or not head[0] or not re.fullmatch(r"0|[1-9][0-9]*", head[1]):
            raise Bad("not a checkpoint: origin, size and root are expected on a line each")
        self.origin, self.size, self.root = head[0], int(head[1]), base64_of(head[2])
        if len(self.root) != 32:
            raise Bad("the checkpoint's root is not 32 bytes")

    def signed_by(self, key):
        own = [signature for name, number, signature in self.signatures if (name, number) == (key.name, key.id)]
        return any(key.signs(self.text, signature) for signature in own)


def checkpoint_of(files, trust):
    """The checkpoint and its number of counted cosignatures; None where there is none."""
    if "checkpoint" not in files:
        return None
    checkpoint = Checkpoint(files["checkpoint"])
    logs = [key for key in trust["logs"] if key.name == checkpoint.origin]
    if not logs:
        raise Bad(f"no trusted key is called {checkpoint.origin}")
    if not any(checkpoint.signed_by(key) for key in logs):
        raise Bad(f"the checkpoint is not signed by the trusted key of {checkpoint.origin}")
    checkpoint.cosignatures = sum(1 for key in trust["witnesses"] if checkpoint.signed_by(key))
    if checkpoint.cosignatures < trust["threshold"]:
        raise Bad(f"{checkpoint.cosignatures} of {trust['threshold']} witnesses demanded have cosigned")
    return checkpoint


def proof_of(data):
    """A tlog-proof: index, path, checkpoint."""
    try:
        head, separator, checkpoint = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise Bad("its proof is no text")
    lines = head.split("\n")
    if not separator or lines.pop(0) != "c2sp.org/tlog-proof@v1" or not lines:
        raise Bad("its proof is no tlog-proof")
    if lines[0].startswith("extra "):
        base64_of(lines.pop(0)[6:])
    match = re.fullmatch(r"index (0|[1-9][0-9]*)", lines.pop(0) if lines else "")
    path = [base64_of(line) for line in lines]
    if not match or len(path) > 63 or any(len(step) != 32 for step in path):
        raise Bad("its proof is no tlog-proof")
    return int(match[1]), path, checkpoint


# ---------------------------------------------------------------------------------------------------------------------
# Reading the JSON files strictly: unknown, missing or doubled fields are refused


def number(largest):
    def read(value):
        if type(value) is not int or not 0 <= value <= largest:
            raise Bad(f"{value!r} is no number from 0 to {largest}")
        return value

    return read


def string(value):
    if type(value) is not str:
        raise Bad(f"{value!r} is no text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Bad("a text is no Unicode")
    return value


def identifier(value):
    try:
        return uuid.UUID(string(value))
    except ValueError:
        raise Bad(f"{value!r} is no UUID")


def optional(read):
    return lambda value: None if value is None else read(value)


def listed(read):
    def items(value):
        if type(value) is not list:
            raise Bad(f"{value!r} is no list")
        return [read(item) for item in value]

    return items


def fields(required, omissible=None):
    omissible = omissible or {}

    def read(value):
        if type(value) is not dict:
            raise Bad(f"{value!r} is no object")
        unknown = set(value) - set(required) - set(omissible)
        missing = set(required) - set(value)
        if unknown or missing:
            raise Bad(f"unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")
        out = {name: of(value[name]) for name, of in required.items()}
        out.update({name: optional(of)(value.get(name)) for name, of in omissible.items()})
        return out

    return read


def mapping(read):
    def entries(value):
        if type(value) is not dict:
            raise Bad(f"{value!r} is no object")
        return {string(key): read(item) for key, item in value.items()}

    return entries


def one_of(**kinds):
    def read(value):
        if type(value) is not dict or len(value) != 1 or next(iter(value)) not in kinds:
            raise Bad(f"{value!r} is none of {sorted(kinds)}")
        kind = next(iter(value))
        return kind, kinds[kind](value[kind])

    return read


def state(value):
    if value not in ("open", "withheld", "erased", "damaged"):
        raise Bad(f"{value!r} is no state of a segment")
    return value


U16, U64, I64 = number((1 << 16) - 1), number((1 << 64) - 1), number((1 << 63) - 1)
STREAM = {"stream_type": string, "stream_id": string}
HEAD = fields({**STREAM, "sequence": U64, "leaf": string, "index": U64, "hashes": listed(string)})
INDEX = fields(
    {
        "format": string, "made_at": string, "made_by": string, "purpose": string,
        "about": one_of(account=identifier, case=string), "size": U64, "schema_version": I64,
        "event_versions": mapping(U16), "rules": mapping(lambda value: value),
        "streams": listed(fields({**STREAM, "to": U64})), "events": listed(U64),
    },
    {"completeness": fields({"manifest": U64, "heads": listed(HEAD)})},
)
SEGMENT = fields(
    {"subject": identifier, "commitment": string, "state": state},
    {"blind": string, "plaintext": string, "erased_by": U64},
)
EVENT = fields(
    {
        "position": U64, **STREAM, "sequence": U64, "event_type": string, "event_version": U16, "recorded_at": string,
        "effective_at": string, "actor": string, "reason": string, "command": identifier, "previous": string,
        "leaf": string, "payload": string, "segments": listed(SEGMENT),
    },
    {"on_behalf_of": string, "reference": string},
)


def parse(data):
    def once(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise Bad("a field is there twice")
        return dict(pairs)

    def never(constant):
        raise Bad(f"{constant} is no JSON")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=never)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Bad(str(error))


# ---------------------------------------------------------------------------------------------------------------------
# Events


def micros(text):
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text):
        raise Bad(f"`{text}` is no time with six decimals in UTC")
    try:
        time = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    except ValueError as error:
        raise Bad(str(error))
    return (time - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def text(value):
    data = value.encode("utf-8")
    return len(data).to_bytes(4, "big") + data


def optional_text(value):
    return b"\x00" if value is None else b"\x01" + text(value)


def entry_of(event):
    """The entry, format version 1, as ledger/src/leaf.rs documents it byte by byte."""
    hashes = [hash_of(event["previous"])] + [hash_of(segment["commitment"]) for segment in event["segments"]]
    if None in hashes:
        raise Bad("a hash is not written as it should be")
    out = b"\x01"
    out += micros(event["recorded_at"]).to_bytes(8, "big", signed=True)
    out += hashes[0]
    out += event["sequence"].to_bytes(8, "big")
    out += micros(event["effective_at"]).to_bytes(8, "big", signed=True)
    out += event["command"].bytes
    out += event["event_version"].to_bytes(2, "big")
    out += sha256(event["payload"].encode("utf-8"))
    out += text(event["stream_type"]) + text(event["stream_id"]) + text(event["event_type"])
    out += text(event["actor"]) + optional_text(event["on_behalf_of"])
    out += text(event["reason"]) + optional_text(event["reference"])
    out += len(event["segments"]).to_bytes(2, "big")
    for segment, commitment in zip(event["segments"], hashes[1:]):
        out += segment["subject"].bytes + commitment
    return out


def opens(segment):
    if segment["blind"] is None or segment["plaintext"] is None:
        return False
    try:
        blind = bytes.fromhex(segment["blind"])
    except ValueError:
        return False
    return sha256(blind + segment["plaintext"].encode("utf-8")) == hash_of(segment["commitment"])


class Event:
    """One event of a bundle, and what was found wrong with it."""

    def __init__(self, position):
        self.position, self.file, self.leaf = position, None, None
        self.failed, self.pending = {}, False

    def fail(self, check, detail):
        self.failed.setdefault(check, detail)

    def read(self, files):
        def named(kind):
            name = f"events/{self.position:012}.{kind}"
            if name not in files:
                raise Bad(f"`{name}` is missing")
            return files[name]

        file, entry = EVENT(parse(named("json"))), named("entry")
        if file["position"] != self.position:
            raise Bad(f"the file says position {file['position']}")
        encoded = entry_of(file)
        self.file, self.leaf = file, leaf_of(entry)
        if encoded != entry:
            self.fail("entry", "the readable form says something else than the entry")
        if hash_of(file["leaf"]) != self.leaf:
            self.fail("leaf", "the entry is not what the leaf commits to")
        for index, segment in enumerate(file["segments"]):
            if segment["state"] == "open" and not opens(segment):
                self.fail("segment-commitment", f"segment {index} is not what the leaf commits to")
            elif segment["state"] == "damaged":
                self.fail("segment-open", f"segment {index} could not be opened when it was exported")

    def prove(self, files, checkpoint):
        data = files.get(f"events/{self.position:012}.proof")
        if data is None:
            if checkpoint and self.position < checkpoint.size:
                self.fail("inclusion", "it is under the checkpoint, but its proof is missing")
            self.pending = not (checkpoint and self.position < checkpoint.size)
            return
        if checkpoint is None:
            return self.fail("inclusion", "a proof without a checkpoint proves nothing")
        try:
            index, path, note = proof_of(data)
        except Bad as error:
            return self.fail("inclusion", str(error))
        if note != checkpoint.note:
            self.fail("inclusion", "its proof is for another checkpoint than the bundle's")
        elif index != self.position:
            self.fail("inclusion", f"its proof is that of event {index}")
        elif not included(index, checkpoint.size, checkpoint.root, self.leaf, path):
            self.fail("inclusion", "the proof does not lead from the leaf to the root")

    def erases(self):
        """Whose key was destroyed with this event, if it says so and stands."""
        field = ERASING.get(self.file["event_type"]) if self.file and not self.failed else None
        try:
            return uuid.UUID(json.loads(self.file["payload"])[self.file["event_type"]][field]) if field else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def answer(self, erasers):
        by = set()
        for index, segment in enumerate(self.file["segments"] if self.file else []):
            if segment["state"] != "erased":
                continue
            event = segment["erased_by"]
            if event is None:
                self.fail("erasure-event", f"no event erased segment {index}")
            elif erasers.get(event) != segment["subject"]:
                self.fail("erasure-event", f"event {event} does not say that it erased segment {index}")
            else:
                by.add(event)
        if self.failed:
            checks = sorted(self.failed, key=ORDER.index)
            details = [self.failed[check] for check in checks]
            return {"position": self.position, "answer": "FAILED", "checks": checks, "details": details}
        if self.pending:
            return {"position": self.position, "answer": "PENDING"}
        if by:
            return {"position": self.position, "answer": "ERASED", "by": sorted(by)}
        return {"position": self.position, "answer": "VERIFIED"}


# ---------------------------------------------------------------------------------------------------------------------
# The bundle


def unpack(path):
    files, left = {}, LARGEST
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise Bad(f"unpacked it would hold more than {LARGEST >> 20} MiB")
                if info.filename in files:
                    raise Bad(f"`{info.filename}` is there twice")
                files[info.filename] = data
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise Bad(f"not a zip, or a damaged one: {error}")
    except Exception as error:  # zlib raises an error of its own
        if type(error).__module__ != "zlib":
            raise
        raise Bad(f"damaged: {error}")
    return files


def index_of(files):
    if "bundle.json" not in files:
        raise Bad("`bundle.json` is missing")
    index = INDEX(parse(files["bundle.json"]))
    if index["format"] != FORMAT:
        raise Bad(f"the format is `{index['format']}`; this verifier knows {FORMAT}")
    if any(a >= b for a, b in zip(index["events"], index["events"][1:])):
        raise Bad("bundle.json: the positions are not ascending")
    return index


def chains(index, events, found):
    """Streams are whole where the bundle says so, and each event names the one before it."""
    places = {}
    for event in events:
        if event.file:
            place = (event.file["stream_type"], event.file["stream_id"], event.file["sequence"])
            if place in places:
                found.append(("stream-chain", f"event {event.position} has the place of another in its stream"))
            places[place] = event
    for event in events:
        if not event.file:
            continue
        sequence = event.file["sequence"]
        before = places.get((event.file["stream_type"], event.file["stream_id"], sequence - 1))
        previous = hash_of(event.file["previous"])
        if sequence == 0 or (sequence == 1 and previous != bytes(32)):
            event.fail("stream-chain", "it is not where its stream begins")
        elif sequence > 1 and before and (before.leaf != previous or before.position >= event.position):
            event.fail("stream-chain", "it does not follow the event before it in its stream")
    for stream in index["streams"]:
        for sequence in range(1, stream["to"] + 1):
            if (stream["stream_type"], stream["stream_id"], sequence) not in places:
                name = f"{stream['stream_type']} {stream['stream_id']}"
                found.append(("stream-chain", f"event {sequence} of {name} is missing"))
                break


def complete(index, events, found):
    """The streams stand where the last manifest attests."""
    completeness = index["completeness"]
    at = completeness["manifest"]
    manifest = next((event for event in events if event.position == at), None)
    if not manifest or not manifest.file or manifest.failed or manifest.file["stream_type"] != "ledger_manifest":
        return found.append(("manifest", f"event {at} is no manifest that stands"))
    try:
        said = json.loads(manifest.file["payload"])["LedgerManifestRecorded"]
        size, streams, root = U64(said["size"]), U64(said["streams"]), hash_of(string(said["root"]))
        if root is None:
            raise Bad("the root is no hash")
    except (Bad, ValueError, KeyError, TypeError):
        return found.append(("manifest", f"the manifest at {at} can't be read"))
    for stream in index["streams"]:
        def of(item):
            return item["stream_type"] == stream["stream_type"] and item["stream_id"] == stream["stream_id"]

        own = [event for event in events if event.file and of(event.file) and event.position < size]
        last = max(own, key=lambda event: event.file["sequence"], default=None)
        proof = next((head for head in completeness["heads"] if of(head)), None)
        holds = last is None and proof is None
        if last and proof:
            leaf, path = hash_of(proof["leaf"]), [hash_of(step) for step in proof["hashes"]]
            head = b"\x01" + text(proof["stream_type"]) + text(proof["stream_id"])
            head += proof["sequence"].to_bytes(8, "big") + (leaf or b"")
            holds = (
                proof["sequence"] == last.file["sequence"] and leaf == last.leaf and None not in path
                and included(proof["index"], streams, root, leaf_of(head), path)
            )
        if not holds:
            name = f"{stream['stream_type']} {stream['stream_id']}"
            found.append(("manifest", f"{name} does not stand where the manifest at {at} attests"))


def listed_names(index):
    return FIXED | {f"events/{at:012}.{kind}" for at in index["events"] for kind in ("json", "entry", "proof")}


def verify(path, trust):
    found, events, checkpoint = [], [], None
    try:
        files = unpack(path)
        index = index_of(files)
    except Bad as error:
        return verdict(None, [("bundle-form", str(error))], [])
    for name in sorted(set(files) - listed_names(index)):
        found.append(("bundle-form", f"`{name}` does not belong into a bundle, or is not listed in it"))
    distrust = None
    try:
        checkpoint = checkpoint_of(files, trust)
    except Bad as error:
        distrust = str(error)
        found.append(("checkpoint-signature", distrust))
    for position in index["events"]:
        event = Event(position)
        try:
            event.read(files)
        except Bad as error:
            event.file, event.failed = None, {"bundle-form": str(error)}
        events.append(event)
    chains(index, events, found)
    for event in events:
        if event.file and distrust:
            event.fail("checkpoint-signature", distrust)
        elif event.file:
            event.prove(files, checkpoint)
    if index["completeness"] and not distrust:
        complete(index, events, found)
    erasers = {event.position: event.erases() for event in events}
    return verdict(checkpoint, found, [event.answer(erasers) for event in events])


def verdict(checkpoint, found, answers):
    failed = found or any(answer["answer"] == "FAILED" for answer in answers)
    pending = any(answer["answer"] == "PENDING" for answer in answers)
    signed = checkpoint and {
        "origin": checkpoint.origin, "size": checkpoint.size, "cosignatures": checkpoint.cosignatures
    }
    return {
        "result": "failed" if failed else "pending" if pending else "verified",
        "checkpoint": signed,
        "bundle": [{"check": check, "detail": detail} for check, detail in found],
        "events": answers,
    }


def printed(result):
    signed = result["checkpoint"]
    if signed:
        print(f"checkpoint {signed['origin']}, {signed['size']}, {signed['cosignatures']} cosignatures")
    else:
        print("no checkpoint to be believed")
    for answer in result["events"]:
        note = ", ".join(f"#{event}" for event in answer.get("by", []))
        note = note or "; ".join(f"{c}: {d}" for c, d in zip(answer.get("checks", []), answer.get("details", [])))
        print(f"#{answer['position']:<10} {answer['answer']}" + (f" ({note})" if note else ""))
    for item in result["bundle"]:
        print(f"FAILED {item['check']}: {item['detail']}")
    print(result["result"].upper())


def own_log_keys(bundle):
    """The keys of logs that the bundle itself gives; nobody vouches for them."""
    try:
        with zipfile.ZipFile(bundle) as archive:
            lines = archive.read("vkeys").decode().splitlines()
        keys = [Key(line) for line in lines]
    except (Bad, OSError, KeyError, UnicodeDecodeError, zipfile.BadZipFile):
        return []
    return [key for key in keys if not key.cosigner]


def main():
    parser = argparse.ArgumentParser(description="Verifies a Matricule audit bundle, offline.")
    parser.add_argument("bundle")
    parser.add_argument("--vkey", action="append", default=[], help="a trusted public key, got from its owner")
    parser.add_argument("--trust", help="a file with such keys, one per line")
    parser.add_argument("--witnesses", type=int, default=0, help="how many trusted witnesses must have cosigned")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    lines = list(given.vkey)
    try:
        if given.trust:
            with open(given.trust, encoding="utf-8") as file:
                lines += [line for line in file if line.strip() and not line.startswith("#")]
        keys = [Key(line) for line in lines]
    except (Bad, OSError) as error:
        parser.error(str(error))
    logs, witnesses = [key for key in keys if not key.cosigner], [key for key in keys if key.cosigner]
    own_keys = not logs
    if own_keys:
        logs = own_log_keys(given.bundle)
    if not logs:
        parser.error("no key to trust: give the ledger's public key, got from its owner, with --vkey or --trust")
    if given.witnesses > len(witnesses):
        parser.error(f"{given.witnesses} witnesses are demanded, and {len(witnesses)} are trusted: give their keys too")
    result = verify(given.bundle, {"logs": logs, "witnesses": witnesses, "threshold": given.witnesses})
    print(json.dumps(result, indent=2, ensure_ascii=False)) if given.json else printed(result)
    if own_keys:
        print(f"Verified by the bundle's own key, not independently obtained: {logs[0].text}", file=sys.stderr)
    sys.exit({"verified": 4 if own_keys else 0, "failed": 1, "pending": 3}[result["result"]])


if __name__ == "__main__":
    main()
