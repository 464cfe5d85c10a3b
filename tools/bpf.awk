# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# awk -f ctext.awk -f bpf.awk FILE... : what BPF programs of ipclens may not be
# or do. Observing must not change what it observes, must work under lockdown
# and without tracefs, and must never forget a channel silently (LRU).

function bad(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	failed = 1
}

{ text = code($0) }

# the section's name is a string, which code() leaves out
text ~ /(^|[^A-Za-z0-9_])SEC[ \t]*\(/ {
	name = $0
	sub(/.*SEC[ \t]*\([ \t]*"/, "", name)
	sub(/".*/, "", name)
	if (name !~ /^\??(tp_btf|raw_tp|iter|iter\.s|fentry|fexit)\// && name !~ /^\??syscall$/ &&
	    name !~ /^(license|\.maps|\.ksyms|\.kconfig|\.(rodata|data|bss)([.].*)?)$/)
		bad("SEC(\"" name "\") is no kind of program that ipclens loads")
}

text ~ /bpf_(probe_write_user|send_signal(_thread)?|override_return|trace_v?printk|v?printk)/ {
	bad("this helper changes or disturbs what is observed")
}

# programs are relocated against an excerpt of the kernel's types (relocation_types.c)
text ~ /bpf_core_type_(id_kernel|matches)/ {
	bad("user space tells numbers of kernel types (LENS_FILL_TYPE_*); pointees are unknown")
}

text ~ /BPF_MAP_TYPE_LRU/ { bad("an LRU map forgets silently") }

END { exit failed }
