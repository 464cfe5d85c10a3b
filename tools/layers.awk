# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# awk -f ctext.awk -f layers.awk layers.txt FILE... : says which files include
# or print what layers.txt does not allow them. Names are relative to the top.

function bad(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	failed = 1
}

# is path at or below one of the places of a list?
function below(path, list,   n, part, i)
{
	n = split(list, part, " ")
	for (i = 1; i <= n; i++)
		if (index(path, part[i]) == 1)
			return 1
	return 0
}

# the longest place of the table that the path begins with
function place(path,   where, best)
{
	best = ""
	for (where in allowed)
		if (index(path, where) == 1 && length(where) > length(best))
			best = where
	return best
}

function may(what)
{
	return index(" " allowed[here] " ", " " what " ") > 0
}

FILENAME == ARGV[1] {
	if (/^layer /) {
		where = $2
		sub(/:$/, "", where)
		sub(/^[^:]*: */, "")
		allowed[where] = $0 " "
	} else if (/^system /) {
		split(substr($0, 8), half, ": *")
		n = split(half[1], header, " ")
		for (i = 1; i <= n; i++)
			users[header[i]] = half[2]
	} else if (/^output: /)
		printers = substr($0, 9)
	next
}

FNR == 1 {
	here = place(FILENAME)
	layer = FILENAME
	sub(/^(user|tests)\//, "", layer)
	sub(/\/.*/, "", layer)
	if (FILENAME !~ /^bpf\// && here == "")
		bad("of no layer")
}

{ text = code($0) }

/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/^[^<]*</, "", name)
	sub(/>.*/, "", name)
	for (pattern in users) {
		prefix = pattern
		if ((sub(/\*$/, "", prefix) ? index(name, prefix) == 1 : name == pattern) &&
		    !below(FILENAME, users[pattern]))
			bad("may not use <" name ">")
	}
	if (FILENAME ~ /^bpf\// && name !~ /^bpf\// && name !~ /^linux\/types\.h$/)
		bad("BPF programs include nothing of the system but <bpf/...>")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	name = $0
	sub(/^[^"]*"/, "", name)
	sub(/".*/, "", name)
	if (FILENAME ~ /^bpf\//) {
		if (name !~ /^[a-z0-9_]+\.bpf\.h$/ &&
		    name !~ /^(wire|wire_sock|wire_stuck|ktypes|kdefs)\.h$/)
			bad("bpf/ may not include " name)
	} else if (name ~ /\.skel\.h$/) {
		if (!may("skeleton"))
			bad("only user/source/live*.c may include " name)
	} else if (name == "wire.h" || name == "kdefs.h") {
		if (!may(substr(name, 1, length(name) - 2)))
			bad("may not include " name)
	} else if (name ~ /\.bpf\.h$/ || name == "ktypes.h")
		bad("nothing outside bpf/ may include " name)
	else if (name !~ /\//) {
		if (FILENAME ~ /^user\//)
			bad("include by layer path: " name)
	} else {
		to = name
		sub(/\/.*/, "", to)
		if (to == layer && FILENAME ~ /^user\//)
			next
		if (!may(to))
			bad("may not include " name)
		else if (name != to "/" to ".h" && !may(to "/*"))
			bad(name " is private to " to "/")
	}
}

FILENAME ~ /^user\// && !below(FILENAME, printers) &&
text ~ /(^|[^A-Za-z0-9_])(v?f?printf|v?dprintf|f?puts|fwrite|f?putc|putchar|perror)[ \t]*\(/ &&
text !~ /__attribute__/ {
	bad("output belongs to render/, cmd/ and base/log.c")
}

END { exit failed }
