package deflate

const (
	maxCodeBits = 15
	symbolBits  = 9 // of the largest alphabet's symbols
	symbolMask  = 1<<symbolBits - 1
)

// A code is a prefix code for the symbols of an alphabet that are in use.
type code struct {
	used    []uint16 // in ascending order
	lengths [literalSymbols]uint8

	memory [literalSymbols + 1]uint16 // of used
}

// heaviest is more than any weight, also when it is shifted to the right. The
// difference between it and a weight fits into an int32.
const heaviest = 1<<31 - 1

// A huffman is the memory in which codes are computed.
type huffman struct {
	keys    [literalSymbols + 1]uint32    // weight<<symbolBits | symbol, by symbol
	sorted  [2][literalSymbols + 1]uint32 // the same in order
	weights [literalSymbols]uint32        // of the inner nodes
	parents [literalSymbols]uint16        // of the inner nodes
}

// build makes c a code for symbols that occur as often as weights says, with
// no codeword longer than limit, and returns how many bits that takes. It is
// an optimal code if no codeword of one is longer than limit. A lone symbol
// has a codeword of one bit (RFC 1951, Section 3.2.7).
//
// The weights' sum is below 1<<16, the length of a block and its end: this is
// what keeps a symbol and its weight in one uint32.
func (h *huffman) build(c *code, weights []uint32, limit int) (total int) {
	n := h.collect(c, weights)
	c.used = c.memory[:n]
	if n < 2 {
		for _, key := range h.keys[:n] {
			c.lengths[key&symbolMask] = 1
			total += int(key >> symbolBits)
		}
		return total
	}
	leaves := h.sort(n)
	counts := h.countLengths(leaves)
	limitLengths(&counts, limit)
	for length := limit; length > 0; length-- {
		sum := 0
		for _, key := range leaves[:counts[length]] {
			c.lengths[key&symbolMask] = uint8(length)
			sum += int(key >> symbolBits)
		}
		leaves = leaves[counts[length]:]
		total += sum * length
	}
	return total
}

// collect sets keys and c's symbols to the symbols in use, and returns their
// number.
func (h *huffman) collect(c *code, weights []uint32) (n int) {
	for first := 0; first < len(weights); first += 8 {
		group := weights[first:min(first+8, len(weights))]
		// Half of all bytes are not in most texts.
		if len(group) == 8 && group[0]|group[1]|group[2]|group[3]|group[4]|group[5]|group[6]|group[7] == 0 {
			continue
		}
		for i, weight := range group {
			// No branch: which symbols are in use cannot be predicted.
			h.keys[n] = weight<<symbolBits | uint32(first+i)
			c.memory[n] = uint16(first + i)
			if weight > 0 {
				n++
			}
		}
	}
	return n
}

// sort returns the first n keys in order: by weight, a byte at a time. The
// symbols are in order already, and what is equal stays in order.
func (h *huffman) sort(n int) []uint32 {
	keys := h.keys[:n]
	most := uint32(0)
	for _, key := range keys {
		most = max(most, key)
	}
	into := 0
	for shift := uint(symbolBits); most>>(shift&31) > 0; shift += 8 {
		sorted := h.sorted[into][:n]
		var starts [256]uint16
		for _, key := range keys {
			starts[byte(key>>(shift&31))]++
		}
		start := uint16(0)
		for b := range min(most>>(shift&31)+1, 256) {
			start, starts[b] = start+starts[b], start
		}
		for _, key := range keys {
			at := &starts[byte(key>>(shift&31))]
			sorted[*at] = key
			*at++
		}
		keys, into = sorted, into^1
	}
	return keys
}

// A lengthCount says how many codewords have each length. Weights whose sum is
// below 1<<16 make no codeword of more than 23 bits: the lightest tree of
// that depth has Fibonacci numbers for weights.
type lengthCount [32]int

// countLengths builds a Huffman tree for leaves, two at least in ascending
// order of weight. The inner nodes are made in ascending order too, so that
// the two lightest nodes are always at the front of two queues. Of the tree,
// only the inner nodes' parents are needed: every inner node has two children
// one level below, and those that are not inner nodes are leaves.
func (h *huffman) countLengths(leaves []uint32) (counts lengthCount) {
	last := len(leaves) - 2
	leaves = append(leaves, heaviest) // behind all of them
	leaf, node := 0, 0
	for made := 0; made <= last; made++ {
		h.weights[made] = heaviest // no node yet
		weight := uint32(0)
		for range 2 {
			// No branch: which one is lighter cannot be predicted. If it is not
			// the node, its parent is set again.
			l, n := leaves[leaf]>>symbolBits, h.weights[node]
			isNode := int32(n-l) >> 31 // -1, or 0 if not
			weight += l + (n-l)&uint32(isNode)
			h.parents[node] = uint16(made)
			node -= int(isNode)
			leaf += 1 + int(isNode)
		}
		h.weights[made] = weight
	}
	depths := &h.weights // of the inner nodes from the root down
	depths[last] = 0
	counts[1] = 2
	for i := last - 1; i >= 0; i-- {
		depth := depths[h.parents[i]] + 1
		depths[i] = depth
		counts[depth&31]--
		counts[(depth+1)&31] += 2
	}
	return counts
}

// limitLengths makes a complete code's lengths those of a complete code with
// no codeword longer than limit.
func limitLengths(counts *lengthCount, limit int) {
	// excess is by how much the codewords, once cut, use more than there is,
	// in units of a codeword of limit bits.
	cut := 0
	for length := limit + 1; length < len(counts); length++ {
		cut += counts[length]
		counts[length] = 0
	}
	if cut == 0 {
		return
	}
	counts[limit] += cut
	excess := -(1 << limit)
	for length := 1; length <= limit; length++ {
		excess += counts[length] << (limit - length)
	}
	// A codeword that grows by a bit makes room for a second one of its new
	// length, which comes from the longest: one unit less each time.
	for ; excess > 0; excess-- {
		length := limit - 1
		for counts[length] == 0 {
			length--
		}
		counts[length]--
		counts[length+1] += 2
		counts[limit]--
	}
}

// words sets those of words that c uses (RFC 1951, Section 3.2.2).
func (c *code) words(words []codeword) {
	var next [maxCodeBits + 2]uint16
	for _, s := range c.used {
		next[c.lengths[s]&15+1]++
	}
	first := uint16(0)
	for length := 1; length <= maxCodeBits; length++ {
		first = (first + next[length]) << 1
		next[length] = first
	}
	// next[n] is the next codeword of n bits.
	for _, s := range c.used {
		length := c.lengths[s] & 15
		words[s] = newCodeword(next[length], int(length))
		next[length]++
	}
}
