// Verifies what a log published with the Go project's own packages for transparency logs, and nothing of ours:
// golang.org/x/mod/sumdb/note and golang.org/x/mod/sumdb/tlog.
//
// usage: verify DIRECTORY
//
// The directory holds:
//
//	vkey        the log's verifier key
//	checkpoint  a signed checkpoint, and old-checkpoint, an earlier one
//	consistency the proof between them, a base64 hash on each line
//	proof       an event's tlog-proof
//	entry       the event's entry, what its leaf is the hash of
//	tile/...    the log's tiles
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := verify(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	fmt.Println("accepted")
}

func verify(dir string) error {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		return string(text)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(read("vkey")))
	if err != nil {
		return fmt.Errorf("vkey: %v", err)
	}
	tree, err := open(read("checkpoint"), verifier)
	if err != nil {
		return err
	}
	old, err := open(read("old-checkpoint"), verifier)
	if err != nil {
		return err
	}
	consistency, err := hashes(strings.Split(strings.TrimSpace(read("consistency")), "\n"))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(tlog.TreeProof(consistency), tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("consistency: %v", err)
	}

	// The tlog-proof: https://c2sp.org/tlog-proof
	head, checkpoint, found := strings.Cut(read("proof"), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return fmt.Errorf("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	inclusion, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	proved, err := open(checkpoint, verifier)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash([]byte(read("entry")))
	if err := tlog.CheckRecord(tlog.RecordProof(inclusion), proved.N, proved.Hash, index, leaf); err != nil {
		return fmt.Errorf("inclusion: %v", err)
	}

	// The same from the tiles alone, each of which tlog holds against the tree's hash.
	reader := tlog.TileHashReader(tree, &tiles{dir})
	stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return fmt.Errorf("tiles: %v", err)
	}
	if stored[0] != leaf {
		return fmt.Errorf("tiles: leaf %d is another", index)
	}
	built, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return fmt.Errorf("tiles: %v", err)
	}
	if err := tlog.CheckRecord(built, tree.N, tree.Hash, index, leaf); err != nil {
		return fmt.Errorf("inclusion from tiles: %v", err)
	}
	return nil
}

// open verifies a checkpoint: https://c2sp.org/tlog-checkpoint
func open(text string, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: not of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return nil, fmt.Errorf("not a hash: %q", line)
		}
		hashes = append(hashes, tlog.Hash(*(*[tlog.HashSize]byte)(hash)))
	}
	return hashes, nil
}

// tiles reads tiles by their paths in https://c2sp.org/tlog-tiles
type tiles struct{ dir string }

func (t *tiles) Height() int { return 8 }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (t *tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
