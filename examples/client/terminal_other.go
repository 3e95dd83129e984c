//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import (
	"errors"
	"os"
)

func readKeys(*os.File) (restore func(), err error) { return nil, errors.ErrUnsupported }

func width(*os.File) int { return 80 }
