package websocket

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed23105783/websocket/internal/deflate"
)

func TestCompressionLevels(t *testing.T) {
	for level, want := range map[int]deflate.Level{
		-2: deflate.HuffmanOnly, -1: deflate.Balance, 0: deflate.Speed, 1: deflate.Speed, 3: deflate.Speed,
		4: deflate.Balance, 6: deflate.Balance, 7: deflate.Ratio, 9: deflate.Ratio,
	} {
		got, err := compressionLevel(level)
		require.NoError(t, err)
		require.Equal(t, want, got, "level %d", level)
	}
}

func TestCompressionSettings(t *testing.T) {
	for _, test := range []struct {
		c    *Compression
		want error
	}{
		{nil, nil},
		{&Compression{}, nil},
		{&Compression{Level: 9, Server: CompressionSide{WindowBits: 8}, Client: CompressionSide{WindowBits: 15}}, nil},
		{&Compression{Level: 10}, errCompressionLevel},
		{&Compression{Level: -3}, errCompressionLevel},
		{&Compression{Server: CompressionSide{WindowBits: 7}}, errCompressionWindow},
		{&Compression{Client: CompressionSide{WindowBits: 16}}, errCompressionWindow},
		{&Compression{Client: CompressionSide{WindowBits: -1}}, errCompressionWindow},
	} {
		got, err := compressionWish(test.c, false)
		assert.Equal(t, test.want, err)
		if err == nil {
			assert.Equal(t, test.c, got)
		}
	}
	got, err := compressionWish(nil, true)
	require.NoError(t, err)
	assert.Equal(t, &noTakeover, got)
}
