"""Writing PDF: order of letters, shapes of letters, the file. Knows nothing of what is written.

Own code, because no permissive library does all of it: reportlab writes no tags and holds the whole
document, typst needs 1.7 GB and 20 s for 10 000 lines of a table, and the rest is under (L)GPL. The
difficult half, shaping and subsetting, is HarfBuzz's.
"""
