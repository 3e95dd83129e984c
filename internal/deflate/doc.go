// Package deflate implements permessage-deflate (RFC 7692): the negotiation of
// its parameters, and a DEFLATE (RFC 1951) compressor and decompressor for
// messages. It does no I/O.
//
// It is there because compress/flate has no windows but those of 32 KiB, takes about a
// megabyte for each writer, and many microseconds before the first byte of a short message.
//
// # Compressing
//
// JSON messages at the default level against compress/flate and klauspost/compress, with
// all three kept and reused: the time for a message, and what is left of it.
// `cd internal/bench && go run ./cmd/deflate -rounds 7`, medians of interleaved rounds on 2
// shared cores, 2026-11-20. It prints the other levels too.
//
//	message   takeover  this package   compress/flate 1  compress/flate 6  klauspost 1
//	128 B     no        1.88 µs, 83 %  6.37 µs, 85 %     17.1 µs, 85 %     0.16 µs, 105 %
//	1 KiB     no        6.35 µs, 47 %  19.1 µs, 49 %     32.5 µs, 46 %     10.8 µs, 48 %
//	16 KiB    no        68 µs, 33 %    126 µs, 33 %      275 µs, 29 %      69 µs, 34 %
//	256 KiB   no        1.00 ms, 31 %  1.73 ms, 31 %     6.02 ms, 26 %     1.00 ms, 30 %
//	128 B     yes       0.40 µs, 32 %  5.11 µs, 59 %     5.96 µs, 26 %     3.29 µs, 32 %
//	1 KiB     yes       6.48 µs, 34 %  17.2 µs, 40 %     35.6 µs, 29 %     10.8 µs, 34 %
//	16 KiB    yes       68 µs, 31 %    125 µs, 32 %      414 µs, 26 %      72 µs, 30 %
//	256 KiB   yes       1.01 ms, 30 %  1.75 ms, 31 %     6.19 ms, 25 %     1.01 ms, 30 %
//
// klauspost stores messages of 128 B, which are compressed here. What is kept between
// messages with takeover, for sending: 56 KiB here at the default level, 1.2 MB by
// compress/flate 1, 0.8 MB by klauspost 1.
//
// # Decompressing
//
// `go test -run '^$' -bench Inflate/ ./internal/deflate`, medians of five runs:
//
//	message   this package   compress/flate
//	128 B     0.96 µs        2.18 µs
//	1 KiB     2.17 µs        4.71 µs
//	16 KiB    13.2 µs        35.7 µs
//	256 KiB   258 µs         647 µs
package deflate
