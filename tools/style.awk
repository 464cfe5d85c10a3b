# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# awk -f ctext.awk -f style.awk FILE... : the house rules a machine can see.
# C files get all of them, other files (scripts, awk, Python, make) those for
# any text. A function's length is the number of lines between its braces.

BEGIN {
	width_max = 100
	file_max = 600
	function_max = 100
	function_p90 = 50
}

function bad_at(file, line, text)
{
	printf "%s:%d: %s\n", file, line, text
	failed = 1
}

function bad(text)
{
	bad_at(FILENAME, FNR, text)
}

# columns of a line: tabs of 8, one column per UTF-8 character
function columns(s,   n, i, part, total)
{
	gsub(/[\200-\277]/, "", s)
	n = split(s, part, "\t")
	total = 0
	for (i = 1; i < n; i++)
		total += length(part[i]) + 8 - (total + length(part[i])) % 8
	return total + length(part[n])
}

function end_of_file()
{
	if (file == "")
		return
	if (lines > file_max)
		bad_at(file, lines, "more than " file_max " lines")
	if (!spdx)
		bad_at(file, 1, "no SPDX line at the top")
	if (in_function)
		bad_at(file, lines, "function without an end")
}

FNR == 1 {
	end_of_file()
	file = FILENAME
	is_c = FILENAME ~ /\.[ch]$/
	spdx = in_function = 0
	name = FILENAME
	sub(/.*\//, "", name)
	if (name ~ /^(utils?|misc|helpers?|common)([._-]|$)/)
		bad("a name that says nothing: call it by its noun")
}

{
	lines = FNR
	if (FNR <= 3 && /SPDX-License-Identifier: [A-Z]/)
		spdx = 1
	if (/[ \t]$/)
		bad("blanks at the end of the line")
	if (length > 50 && columns($0) > width_max)
		bad("wider than " width_max " columns")
	words = $0
	gsub(/"[^"]*"/, "", words)
	# said in two halves, so that this file does not find itself
	if (words ~ ("(^|[^A-Za-z])(TO" "DO|FIX" "ME|XX" "X)([^A-Za-z]|$)"))
		bad("an open end: do it, or make it an issue")
}

!is_c { next }

{ text = code($0) }

/^        / { bad("indent with tabs") }

# the last identifier before a parenthesis at column 0 names the function
!in_function && text ~ /^[A-Za-z_].*\(/ {
	name = text
	sub(/\(.*/, "", name)
	sub(/.*[^A-Za-z0-9_]/, "", name)
	function_name = name
}

/^\{/ && !in_function {
	in_function = 1
	function_start = FNR
	next
}

/^\}/ && in_function {
	in_function = 0
	n = FNR - function_start - 1
	lengths[n]++
	functions++
	if (n > function_max)
		bad(function_name "() has " n " lines, more than " function_max)
	next
}

text ~ /return[ \t]+\(?E[A-Z][A-Z0-9]+\)?[ \t]*;/ { bad("errors are negative: return -E...") }

# -1 says nothing about what went wrong; but it may mean "less" or "none"
in_function && FILENAME ~ /^user\// && text ~ /return[ \t]+-1[ \t]*;/ &&
function_name !~ /cmp|compare|order|hex|index/ { bad("return -errno, not -1") }

text ~ /^[ \t]+_cleanup_(close_ |[a-z(].*\*).*;[ \t]*$/ && text !~ /=/ {
	bad("what is cleaned up must be initialised (fd = -1, pointer = NULL)")
}

END {
	end_of_file()
	# the 90th percentile, over all files
	for (n = 0; n <= function_max * 10 && seen < functions * 0.9; n++) {
		seen += lengths[n]
		p90 = n
	}
	if (p90 > function_p90) {
		printf "one function in ten has more than %d lines (limit %d)\n", p90, function_p90
		failed = 1
	}
	exit failed
}
