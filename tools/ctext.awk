# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# code(line): what the C compiler sees of a line: comments become a space, the
# content of strings and character constants is left out. Call it once for every
# line of a file, in order; awk -f ctext.awk -f CHECK.awk.

FNR == 1 { ctext_comment = 0 }

function code(s,   out, found, quote)
{
	out = ""
	while (s != "") {
		if (ctext_comment) {
			if (!match(s, /\*\//))
				return out
			s = substr(s, RSTART + 2)
			ctext_comment = 0
			out = out " "
			continue
		}
		if (!match(s, /\/\*|\/\/|["']/))
			return out s
		out = out substr(s, 1, RSTART - 1)
		found = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		if (found == "//")
			return out
		if (found == "/*") {
			ctext_comment = 1
			continue
		}
		quote = found
		out = out quote
		while (match(s, /[\\"']/)) {
			found = substr(s, RSTART, 1)
			s = substr(s, RSTART + (found == "\\" ? 2 : 1))
			if (found == quote) {
				out = out quote
				break
			}
		}
	}
	return out
}
