"""Names of the synthetic people: a style of spelling in four scripts, nobody's family.

Persons of Portuguese name carry the fictional second surname EXEMPLO, which marks them.
"""

from random import Random

from xbgateway.demo.people import Names

# traditional, simplified, Macao romanisation, pinyin
SURNAMES = (
    ("陳", "陈", "CHAN", "CHEN"),
    ("黃", "黄", "WONG", "HUANG"),
    ("李", "李", "LEI", "LI"),
    ("梁", "梁", "LEONG", "LIANG"),
    ("楊", "杨", "IEONG", "YANG"),
    ("張", "张", "CHEONG", "ZHANG"),
    ("鄭", "郑", "CHEANG", "ZHENG"),
    ("吳", "吴", "NG", "WU"),
    ("何", "何", "HO", "HE"),
    ("林", "林", "LAM", "LIN"),
    ("周", "周", "CHAO", "ZHOU"),
    ("鄧", "邓", "TANG", "DENG"),
    ("許", "许", "HOI", "XU"),
    ("余", "余", "U", "YU"),
    ("馮", "冯", "FONG", "FENG"),
    ("蘇", "苏", "SOU", "SU"),
    ("羅", "罗", "LO", "LUO"),
    ("譚", "谭", "TAM", "TAN"),
    ("蕭", "萧", "SIO", "XIAO"),
    ("歐陽", "欧阳", "AO IEONG", "OUYANG"),
)
GIVEN = (
    ("嘉欣", "嘉欣", "KA IAN", "JIAXIN"),
    ("志強", "志强", "CHI KEONG", "ZHIQIANG"),
    ("美玲", "美玲", "MEI LENG", "MEILING"),
    ("偉明", "伟明", "WAI MENG", "WEIMING"),
    ("慧儀", "慧仪", "WAI I", "HUIYI"),
    ("家豪", "家豪", "KA HOU", "JIAHAO"),
    ("詠詩", "咏诗", "WENG SI", "YONGSHI"),
    ("俊傑", "俊杰", "CHON KIT", "JUNJIE"),
    ("淑貞", "淑贞", "SOK CHENG", "SHUZHEN"),
    ("浩然", "浩然", "HOU IN", "HAORAN"),
)
# A variant character on each side of the border, and one outside the Basic Multilingual Plane.
RARE_GIVEN = (
    ("峯", "峰", "FONG", "FENG"),
    ("裏", "里", "LEI", "LI"),
    ("𠮷", "𠮷", "KAT", "JI"),
)
PORTUGUESE_GIVEN = ("MARIA JOÃO", "ANTÓNIO", "INÊS", "DUARTE", "FILIPA")
PORTUGUESE_SURNAMES = ("DO ROSÁRIO", "XAVIER", "NORONHA", "NOLASCO")
MARK = "EXEMPLO"


def chinese(random: Random) -> Names:
    """A Chinese name in all four spellings."""
    return joined(random.choice(SURNAMES), random.choice(GIVEN))


def rare(random: Random) -> Names:
    """A Chinese name with a variant or rare character."""
    return joined(random.choice(SURNAMES), random.choice(RARE_GIVEN))


def portuguese(random: Random) -> Names:
    """A Portuguese name without a Chinese one."""
    surname = f"{random.choice(PORTUGUESE_SURNAMES)} {MARK}"
    return Names("", "", f"{surname}, {random.choice(PORTUGUESE_GIVEN)}", "")


def married(random: Random) -> Names:
    """A Chinese name whose Latin form has two surnames and a married particle."""
    own = chinese(random)
    family, given = own.latin.split(", ")
    return Names(own.hant, own.hans, f"{family} DE NORONHA {MARK}, {given}", own.pinyin)


def thirty_letters() -> Names:
    """A Portuguese name of exactly thirty characters."""
    return Names("", "", f"DO ROSÁRIO {MARK}, MARIA JOÃO", "")


def joined(surname: tuple[str, str, str, str], given: tuple[str, str, str, str]) -> Names:
    """Surname and given name in all four spellings."""
    return Names(
        surname[0] + given[0],
        surname[1] + given[1],
        f"{surname[2]}, {given[2]}",
        f"{surname[3]} {given[3]}",
    )
