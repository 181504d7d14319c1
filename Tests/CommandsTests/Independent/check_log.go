// Checks a log, laid out as files, and proofs of its entries with golang.org/x/mod/sumdb.
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tiles serves tiles from FOLDER/<level>/<number in decimal>, full or partial, as they stand in the database.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, w := range wanted {
		data, err := os.ReadFile(fmt.Sprintf("%s/%d/%d", t.folder, w.L, w.N))
		if err != nil {
			return nil, err
		}
		if len(data) < w.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %v is too short", w)
		}
		all = append(all, data[:w.W*tlog.HashSize])
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		fmt.Println("NOT SOUND;", err)
		os.Exit(1)
	}
}

// open checks the note under the log's key and reads its tree.
func open(text []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	n, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		must(fmt.Errorf("no checkpoint of %s", verifier.Name()))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

// check_log FOLDER VKEY [PROOF BODY]...: FOLDER has checkpoints named by size, tiles/LEVEL/NUMBER, bodies/NUMBER (raw bundles).
func main() {
	folder, vkey := os.Args[1], os.Args[2]
	var trees []tlog.Tree
	entries, err := os.ReadDir(folder + "/checkpoints")
	must(err)
	for _, e := range entries {
		text, err := os.ReadFile(folder + "/checkpoints/" + e.Name())
		must(err)
		trees = append(trees, open(text, vkey))
	}
	newest := trees[0]
	for _, t := range trees {
		if t.N > newest.N {
			newest = t
		}
	}
	reader := tlog.TileHashReader(newest, tiles{folder + "/tiles"})
	// The root of the whole tree, and a consistency proof from every smaller checkpoint, out of the tiles.
	proved := 0
	for _, t := range trees {
		if t.N == 0 || t.N == newest.N {
			continue
		}
		proof, err := tlog.ProveTree(newest.N, t.N, reader)
		must(err)
		must(tlog.CheckTree(proof, newest.N, newest.Hash, t.N, t.Hash))
		proved++
	}
	// Every entry: its leaf hash against the tiles, and the root out of the leaves alone.
	var stored []tlog.Hash
	storage := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, i := range indexes {
			list = append(list, stored[i])
		}
		return list, nil
	})
	var count int64
	for b := 0; count < newest.N; b++ {
		raw, err := os.ReadFile(fmt.Sprintf("%s/bodies/%d", folder, b))
		must(err)
		for len(raw) > 0 && count < newest.N {
			n := int(raw[0])<<8 | int(raw[1])
			hashes, err := tlog.StoredHashes(count, raw[2:2+n], storage)
			must(err)
			stored = append(stored, hashes...)
			raw = raw[2+n:]
			count++
		}
	}
	root, err := tlog.TreeHash(count, storage)
	must(err)
	if root != newest.Hash {
		must(fmt.Errorf("the entries have another root"))
	}
	widest := map[[2]int64]int{} // NewTiles names a partial tile once for each width up to its own
	for _, tile := range tlog.NewTiles(8, 0, newest.N) {
		want, err := tlog.ReadTileData(tile, storage)
		must(err)
		have, err := os.ReadFile(fmt.Sprintf("%s/tiles/%d/%d", folder, tile.L, tile.N))
		must(err)
		if !bytes.HasPrefix(have, want) {
			must(fmt.Errorf("tile %v is another", tile))
		}
		widest[[2]int64{int64(tile.L), tile.N}] = len(have) - len(want)
	}
	for place, rest := range widest {
		if rest != 0 {
			must(fmt.Errorf("tile %v has hashes behind the end", place))
		}
	}
	fmt.Printf("sound; %d entries, %d tiles, %d checkpoints, %d consistency proofs\n", count, len(widest), len(trees), proved)
	for i := 3; i+1 < len(os.Args); i += 2 {
		text, err := os.ReadFile(os.Args[i])
		must(err)
		body, err := os.ReadFile(os.Args[i+1])
		must(err)
		parts := strings.SplitN(string(text), "\n\n", 2)
		tree := open([]byte(parts[1]), vkey)
		lines := strings.Split(parts[0], "\n")
		index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
		must(err)
		var proof tlog.RecordProof
		for _, line := range lines[2:] {
			data, err := base64.StdEncoding.DecodeString(line)
			must(err)
			var h tlog.Hash
			copy(h[:], data)
			proof = append(proof, h)
		}
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(body)))
		fmt.Printf("sound; entry %d of %d\n", index, tree.N)
	}
}
