"""The typefaces of printed papers, as their makers published them; licence: SIL OFL 1.1.

    Vazirmatn 33.003   Persian, Arabic, Latin   npm vazirmatn 33.0.3
    Roboto 3.015       Latin, Cyrillic, Greek   npm @expo-google-fonts/roboto 0.4.3

A package, so that the place is known wherever the layer is unpacked: `payvand_faces.__path__[0]`.
"""
