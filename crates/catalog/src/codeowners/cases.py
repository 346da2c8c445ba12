"""Makes cases.tsv: what PyPI `codeowners` says of patterns and paths.

    pip install codeowners==0.9.0 && python3 cases.py > cases.tsv
"""
from codeowners import CodeOwners

PATTERNS = """
* *.js *.md a b docs docs/ /docs /docs/ docs/* /docs/* docs/** /docs/** **/docs **/docs/ docs/**/a docs/**/*.md
a/b a/b/ /a/b a/*/b a/* */a **/a/b a/**/b /*.js /* ** **/* a* *a a?b a.b src/*.rs src/**/*.rs apps/ apps/github
/apps/github docs/a/ a/b/* a/**
""".split()
PATHS = """
a b docs a.js a.md docs/a docs/a.md docs/b/a docs/b/a.md docs/b/c/a.md x/docs x/docs/a x/docs/b/a a/b a/b/c a/c/b a/c/d/b
x/a x/a/b x/y/a x/a.js axb a.b ab src/m.rs src/x/m.rs apps/github apps/github/x x/apps/y apps/x src/lib/a/b/c.rs ba xa
""".split()

print("# pattern, path, 1 when it matches; made by cases.py")
for pattern in PATTERNS:
    owners = CodeOwners(f"{pattern} @x\n")
    for path in PATHS:
        print(f"{pattern}\t{path}\t{int(bool(owners.of(path)))}")
