package websocket_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const modulePath = "github.com/seed23105783/websocket"

// A reference is from one file of a package to a declaration in another one.
type reference struct {
	from token.Position // its Filename is the base name
	to   string         // the file with the declaration
	what string         // for example "call of function f"
}

// loadReferences type-checks the package in dir, without its tests, as it is on
// a platform, and returns the references between its files. Type errors are
// returned beside them: they do not end the search.
func loadReferences(dir, platform string) (references []reference, typeErrors []error, err error) {
	context := build.Default
	context.GOOS, context.GOARCH, _ = strings.Cut(platform, "/")
	context.CgoEnabled = false // so that all of a package is in Go
	context.ToolTags = nil     // those of build.Default are for one platform
	l := &loader{
		context:  context,
		fset:     token.NewFileSet(),
		module:   dir,
		packages: map[string]*types.Package{"unsafe": types.Unsafe},
	}
	files, err := l.parse(dir)
	if err != nil {
		return nil, nil, err
	}
	info := &types.Info{
		Uses:       make(map[*ast.Ident]types.Object),
		Selections: make(map[*ast.SelectorExpr]*types.Selection),
	}
	config := types.Config{
		Importer: l,
		Sizes:    types.SizesFor(context.Compiler, context.GOARCH),
		Error: func(err error) {
			e := err.(types.Error) // errors of Check are
			typeErrors = append(typeErrors, fmt.Errorf("%s: %s", position(e.Fset, e.Pos), e.Msg))
		},
	}
	pkg, _ := config.Check(modulePath, l.fset, files, info) // its error is the first of typeErrors
	return findReferences(l.fset, pkg, files, info), typeErrors, nil
}

// A loader is a types.Importer for packages of the standard library and of this
// module, from their source. The one in go/importer knows no other platform and
// needs the go command for packages of this module.
type loader struct {
	context  build.Context
	fset     *token.FileSet
	module   string // the directory of this module
	packages map[string]*types.Package
}

// Import returns a package. It ignores the bodies of functions.
func (l *loader) Import(path string) (*types.Package, error) {
	if pkg := l.packages[path]; pkg != nil {
		return pkg, nil
	}
	files, err := l.parse(l.directory(path))
	if err != nil {
		return nil, err
	}
	config := types.Config{
		Importer:         l,
		IgnoreFuncBodies: true,
		Sizes:            types.SizesFor(l.context.Compiler, l.context.GOARCH),
	}
	pkg, err := config.Check(path, l.fset, files, nil)
	if err != nil {
		return nil, err
	}
	l.packages[path] = pkg
	return pkg, nil
}

// directory returns where the source of a package is.
func (l *loader) directory(path string) string {
	if rest, ok := strings.CutPrefix(path, modulePath+"/"); ok {
		return filepath.Join(l.module, rest)
	}
	dir := filepath.Join(l.context.GOROOT, "src", path)
	if _, err := os.Stat(dir); err != nil {
		return filepath.Join(l.context.GOROOT, "src", "vendor", path)
	}
	return dir
}

// parse parses the files in dir that belong to the package on the platform.
func (l *loader) parse(dir string) ([]*ast.File, error) {
	pkg, err := l.context.ImportDir(dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(l.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// findReferences returns the references between the files of a package in the
// order of their positions.
func findReferences(fset *token.FileSet, pkg *types.Package, files []*ast.File, info *types.Info) []reference {
	owners := fieldOwners(pkg)
	var references []reference
	add := func(node ast.Node, object types.Object, called bool) {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			return
		}
		from, to := position(fset, node.Pos()), position(fset, object.Pos()).Filename
		if what := describe(object, owners, called); what != "" && from.Filename != to {
			references = append(references, reference{from, to, what})
		}
	}
	for _, file := range files {
		called := calledNames(file)
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.Ident:
				if object := info.Uses[node]; object != nil {
					add(node, object, called[node])
				}
			case *ast.SelectorExpr:
				for _, field := range embeddedFields(info.Selections[node]) {
					add(node, field, false)
				}
			}
			return true
		})
	}
	slices.SortStableFunc(references, func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.from.Filename, b.from.Filename), cmp.Compare(a.from.Offset, b.from.Offset))
	})
	return references
}

func position(fset *token.FileSet, pos token.Pos) token.Position {
	p := fset.Position(pos)
	p.Filename = filepath.Base(p.Filename)
	return p
}

// calledNames returns the names in a file that are those of what is called.
func calledNames(file *ast.File) map[*ast.Ident]bool {
	called := make(map[*ast.Ident]bool)
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		function := ast.Unparen(call.Fun)
		switch generic := function.(type) {
		case *ast.IndexExpr:
			function = generic.X
		case *ast.IndexListExpr:
			function = generic.X
		}
		switch function := function.(type) {
		case *ast.Ident:
			called[function] = true
		case *ast.SelectorExpr:
			called[function.Sel] = true
		}
		return true
	})
	return called
}

// embeddedFields returns the fields that a selector goes through without
// naming them.
func embeddedFields(selection *types.Selection) (fields []types.Object) {
	if selection == nil {
		return nil
	}
	t := selection.Recv()
	for _, i := range selection.Index()[:len(selection.Index())-1] {
		if pointer, ok := t.Underlying().(*types.Pointer); ok {
			t = pointer.Elem()
		}
		structure, ok := t.Underlying().(*types.Struct)
		if !ok {
			return fields
		}
		fields = append(fields, structure.Field(i))
		t = structure.Field(i).Type()
	}
	return fields
}

// fieldOwners returns the names of the types that have the fields of a package.
func fieldOwners(pkg *types.Package) map[types.Object]string {
	owners := make(map[types.Object]string)
	for _, name := range pkg.Scope().Names() {
		if structure, ok := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct); ok {
			for field := range structure.Fields() {
				owners[field] = name + "."
			}
		}
	}
	return owners
}

// describe returns the kind of an object and its name, or "" if references to
// it do not count: methods of interfaces, and what is declared in a function.
func describe(object types.Object, owners map[types.Object]string, called bool) string {
	use := "use of"
	switch object := object.(type) {
	case *types.Func:
		if called {
			use = "call of"
		}
		receiver := object.Origin().Signature().Recv()
		if receiver == nil {
			return use + " function " + object.Name()
		}
		if types.IsInterface(receiver.Type()) {
			return ""
		}
		t := types.TypeString(receiver.Type(), func(*types.Package) string { return "" })
		return fmt.Sprintf("%s method (%s).%s", use, t, object.Name())
	case *types.Var:
		if object.IsField() {
			return "access to field " + owners[object.Origin()] + object.Name()
		}
		return use + " variable " + object.Name()
	case *types.Const:
		return use + " constant " + object.Name()
	case *types.TypeName:
		return use + " type " + object.Name()
	}
	return ""
}

// cycles returns the strongly connected components of the graph of files that
// have more than one file: Tarjan's algorithm.
func cycles(references []reference) [][]string {
	next := make(map[string][]string)
	for _, r := range references {
		next[r.from.Filename] = append(next[r.from.Filename], r.to)
	}
	var (
		found   [][]string
		stack   []string
		index   = make(map[string]int) // from 1, in the order of the visits
		low     = make(map[string]int)
		visit   func(file string)
		visited = func(file string) bool { return index[file] != 0 }
	)
	visit = func(file string) {
		index[file] = len(index) + 1
		low[file] = index[file]
		stack = append(stack, file)
		for _, to := range next[file] {
			switch {
			case !visited(to):
				visit(to)
				low[file] = min(low[file], low[to])
			case slices.Contains(stack, to):
				low[file] = min(low[file], index[to])
			}
		}
		if low[file] == index[file] {
			i := slices.Index(stack, file)
			if component := slices.Sorted(slices.Values(stack[i:])); len(component) > 1 {
				found = append(found, component)
			}
			stack = stack[:i]
		}
	}
	for _, file := range slices.Sorted(maps.Keys(next)) {
		if !visited(file) {
			visit(file)
		}
	}
	return found
}
