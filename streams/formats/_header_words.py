"""The words of a tar's headers, for those that read them one by one and by columns."""

HEADER = 512
# The ordinary file in the kinds of members, today's and that of old tars.
FILE = (ord("0"), 0)
FOLDER = ord("5")
# A header that says more of the next one, and the words in it that change what is read.
MORE = ord("x")
KINDS = {*FILE, FOLDER, MORE}
WORDS = (b" path=", b" size=", b" GNU.")
SIGN = b"ustar"
