// Package bench compares what the library is made of with what else there is.
// It is a module of its own, so that those it compares with are no
// dependencies of the library.
package bench
