# Sums Go coverage profiles by package; a block counts as run when any test ran it. The others are listed in the file `unrun`.
$1 == "mode:" { next }
{
    size[$1] = $2
    if ($3 > 0) run[$1] = 1
}
END {
    for (block in size) {
        package = block
        sub(/\/[^\/]*$/, "", package)
        all[package] += size[block]; total += size[block]
        if (block in run) { good[package] += size[block]; sum += size[block] }
        else print block | "sort -V >" unrun
    }
    for (package in all)
        printf "%-22s %5.1f %% of %4d statements\n", package, 100 * good[package] / all[package], all[package] | "sort"
    close("sort")
    printf "%-22s %5.1f %% of %4d statements\n", "all", 100 * sum / total, total
}
