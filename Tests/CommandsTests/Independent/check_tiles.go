// Checks a log published as tiles (c2sp.org/tlog-tiles) with golang.org/x/mod/sumdb: check_tiles FOLDER VKEY.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Println("NOT SOUND;", err)
		os.Exit(1)
	}
}

// path is that of tlog.Tile, whose height stands in front of the level, as tlog-tiles writes it; entries stand for data.
func path(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), "tile/8/")
	return "tile/" + strings.Replace(p, "data/", "entries/", 1)
}

type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, w := range wanted {
		data, err := os.ReadFile(t.folder + "/" + path(w))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	folder, vkey := os.Args[1], os.Args[2]
	text, err := os.ReadFile(folder + "/checkpoint")
	must(err)
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
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{folder})
	// The reader proves every tile that it takes a hash from against the signed root.
	for i := int64(0); i < size; i += 256 {
		width := size - i
		if width > 256 {
			width = 256
		}
		raw, err := os.ReadFile(folder + "/" + path(tlog.Tile{H: 8, L: -1, N: i / 256, W: int(width)}))
		must(err)
		var indexes []int64
		var bodies [][]byte
		for j := int64(0); j < width; j++ {
			length := int(raw[0])<<8 | int(raw[1])
			bodies = append(bodies, raw[2:2+length])
			raw = raw[2+length:]
			indexes = append(indexes, tlog.StoredHashIndex(0, i+j))
		}
		if len(raw) != 0 {
			must(fmt.Errorf("bytes behind the bundle of entry %d", i))
		}
		hashes, err := reader.ReadHashes(indexes)
		must(err)
		for j, body := range bodies {
			if tlog.RecordHash(body) != hashes[j] {
				must(fmt.Errorf("entry %d is another", i+int64(j)))
			}
		}
	}
	fmt.Printf("sound; %d entries\n", size)
}
