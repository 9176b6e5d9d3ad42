#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes corpus.jsonl: the texts, one JSON string a line, on which Sinter's tokenizers are compared with the
references. Always the same bytes: the sentences below, Unicode's blocks, and a small generator with a fixed seed.

    make_corpus.py > corpus.jsonl
"""
import json
import sys
import unicodedata

SENTENCES = [
    "The quick brown fox jumps over the lazy dog, doesn't it? I'm sure they've seen it; we'll ask who'd know.",
    "It's JOHN'S book, and HE'LL say THEY'VE READ IT. I'D think you'Re right, he'S not.",
    "Les élèves français étudient à l'école; où est-ce qu'ils déjeunent aujourd'hui ? À Noël, peut-être.",
    "Der Straßenbahnfahrer übersah die größere Ampel. Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz.",
    "El niño comió piñas mañana por la mañana. ¿Cómo estás? ¡Qué alegría verte aquí!",
    "A língua portuguesa é falada em vários países; não há coração que não se emocione.",
    "Zażółć gęślą jaźń. Pchnąć w tę łódź jeża lub ośm skrzyń fig.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy. Nechť již hříšné saxofony ďáblů rozezvučí síň.",
    "Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul'da ılık bir gün, IĞDIR'da değil.",
    "Tiếng Việt có nhiều dấu: Hà Nội, Đà Nẵng, phở bò, nghiêng nghiêng, ưỡn ẹo.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Ёжик пошёл в лес.",
    "Українська мова — це прекрасно; її ґрунт, їжак, і єдність.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Η ελληνική γλώσσα έχει τόνους· και ερωτηματικό;",
    "שלום עולם, מה שלומך היום? הַנִּקּוּד הוּא חָשׁוּב בַּתַּנַ״ךְ.",
    "مرحبا بالعالم، كيف حالك اليوم؟ اَلْعَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ. ١٢٣٤٥",
    "سلام دنیا، می‌خواهم کتاب‌ها را بخوانم. شمارهٔ ۱۲۳۴ است.",
    "नमस्ते दुनिया, आप कैसे हैं? क्षत्रिय, ज्ञान, श्री और द्वंद्व। १२३४५",
    "বাংলা ভাষা খুব সুন্দর; আমি ভাত খাই। ক্ষুদ্র, জ্ঞান, ১২৩।",
    "தமிழ் மொழி மிகவும் பழமையானது. நான் தமிழ் பேசுகிறேன்.",
    "తెలుగు భాష చాలా అందమైనది. క్షమించండి, నాకు తెలియదు.",
    "ಕನ್ನಡ ಭಾಷೆ ತುಂಬಾ ಹಳೆಯದು. ಜ್ಞಾನಪೀಠ ಪ್ರಶಸ್ತಿ.",
    "മലയാളം ഒരു ദ്രാവിഡ ഭാഷയാണ്. ന്‍ ല്‍ ൻ ൽ.",
    "ગુજરાતી ભાષા સરસ છે. ਪੰਜਾਬੀ ਬੋਲੀ ਵੀ ਸੋਹਣੀ ਹੈ।",
    "ภาษาไทยไม่มีการเว้นวรรคระหว่างคำ น้ำใจงาม ๑๒๓๔",
    "ພາສາລາວກໍ່ຄືກັນ. ភាសាខ្មែរមានអក្សរច្រើន។ မြန်မာဘာသာစကား။",
    "བོད་སྐད་ནི་སྙན་པོ་རེད། ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ᠃ አማርኛ ቋንቋ ነው።",
    "我能吞下玻璃而不伤身体。今天天气很好，我们去公园散步吧！一二三四五。",
    "繁體中文與簡體中文不同：龍、龜、鬱、灣。「引號」、『書名』、……",
    "吾輩は猫である。名前はまだ無い。カタカナとひらがな、ｶﾀｶﾅ、がぎぐげご、㍿、①②③。",
    "안녕하세요, 세계! 오늘 날씨가 어떻습니까? 뷁 쀍 한국어는 재미있어요.",
    "ქართული ენა ძალიან ძველია. Հայոց լեզուն գեղեցիկ է։ ᎣᏏᏲ ᎡᎶᎯ. ᐊᓕᒃᓴᓐᓂᐊᖅ",
    "ⲧⲙⲛⲧⲣⲙⲛⲕⲏⲙⲉ 𐌰𐌱𐌲𐌳 𐎠𐎡𐎢 𒀀𒀁𒀂 𓀀𓀁𓀂 𝕳𝖊𝖑𝖑𝖔 𝒲ℴ𝓇𝓁𝒹 𝟘𝟙𝟚 Ⓐⓑ Ⅷ ⅔ ² ³ ¹ ½",
    "Sphinx of black quartz, judge my vow: 3.14159 × 10⁻³ ≈ π/1000 ± 0.5% — “smart quotes”, ‘single’ … done…",
    "naïve café résumé coöperate façade Ångström fiancée jalapeño über-cool rôle",
]

CODE = [
    "def fib(n: int) -> int:\n    \"\"\"Fibonacci.\"\"\"\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\n\nprint(fib(10))\n",
    "#include <vector>\n#include <cstdio>\n\nint main(int argc, char **argv) {\n\tstd::vector<int> v{1, 2, 3};\n\tfor (auto &&x : v)\n\t\tprintf(\"%d\\n\", x);\n\treturn 0;\n}\n",
    "const f = async (x) => { await g(x?.y ?? 0); return `${x}`; }; // comment\r\nlet a = [...b, 'c'];\r\n",
    "SELECT name, COUNT(*) AS n FROM users u LEFT JOIN orders o ON u.id = o.user_id WHERE n >= 10 GROUP BY 1;\n",
    "<html lang=\"en\">\n  <body class='a b'>&nbsp;&amp;<br/><!-- x --></body>\n</html>",
    "fn main() { let s: &'static str = \"h\\u{e9}llo\"; println!(\"{s:?}\"); let x = 0xFF_u8 as i64 << 3; }",
    "{\"key\": [1, 2.5e-10, null, true], \"nested\": {\"a\": \"\\u00e9\\n\"}}",
    "$ grep -rn 'foo.*bar' --include=*.py . | awk -F: '{print $1\":\"$2}' | sort -u > /tmp/out.txt 2>&1 && echo $?",
    "\\begin{equation}\n  \\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}\n\\end{equation}",
    "package main\n\nimport (\n\t\"fmt\"\n)\n\nfunc main() {\n\tfmt.Println(\"hello\", 42)\n}\n\n\n",
    "https://example.com/path/to/page?query=string&x=%20y#frag user.name+tag@mail.example.org 192.168.0.1:8080",
    "if(x==1){y+=2;}else{z--;}//!!?? a->b::c<d>(e)[f]{g} ##### ===== ----- ***** ///// \\\\\\\\ |||| ~~~~ ^^^^ @@@@",
    "    leading four\n        leading eight\n\tone tab\n\t\ttwo tabs\n  \t mixed \t \ntrailing   \n   \n\n",
    "x86_64-linux-gnu v1.2.3-rc.4+build.567 CamelCaseWordsHTTPServer snake_case_words kebab-case-words SCREAMING_SNAKE",
]

SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|end_of_text|>", "<s>", "</s>", "<unk>", "[INST]", "[/INST]", "<tool_call>", "</tool_call>",
    "<think>", "</think>", "<repo_name>", "<file_sep>", "<|fim_prefix|>", "<|vision_start|>", "<0x0A>", "<0xE4>",
    "[PAD]", "[TOOL_CALLS]", "<|python_tag|>", "<|reserved_special_token_7|>", "<empty_output>",
]

EMOJI = [
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "👨🏿‍🚀", "❤️", "☎", "☎️", "1️⃣", "🧑‍💻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🤷🏻‍♀️", "🫠", "🫱🏼‍🫲🏿", "©️", "™", "🈂️", "🀄",
]

SPACES = [" ", "  ", "   ", "        ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", "\r\n\r\n", "\u00a0", "\u1680", "\u2003",
          "\u2009", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u0085", "\u000b", "\u000c", " \n ", "\n ",
          " \t", "\u180e", "\ufeff", " \u00a0 ", "\u001c", "\u0000", "\u2581", "\u2581\u2581"]

PUNCTUATION = [".", ",", "!", "?", ":", ";", "'", "\"", "-", "—", "(", ")", "...", "…", "'s", "'t", "'LL", "’s", "/", "\\",
               "@", "#", "$", "%", "&", "*", "+", "=", "<", ">", "_", "`", "~", "|", "¿", "«", "»", "。", "、", "।", "؟"]

# First code points of the blocks that get lines of their own, and how many characters of each.
BLOCKS = [
    (0x00A0, 96), (0x0100, 128), (0x0180, 208), (0x0250, 96), (0x02B0, 80), (0x0300, 112), (0x0370, 144), (0x0400, 256),
    (0x0530, 96), (0x0590, 112), (0x0600, 256), (0x0700, 80), (0x0780, 64), (0x07C0, 64), (0x0900, 128), (0x0980, 128),
    (0x0A00, 256), (0x0B00, 256), (0x0C00, 256), (0x0D00, 256), (0x0E00, 128), (0x0E80, 128), (0x0F00, 256), (0x1000, 160),
    (0x10A0, 96), (0x1100, 256), (0x1200, 384), (0x13A0, 96), (0x1400, 640), (0x1680, 32), (0x16A0, 96), (0x1700, 128),
    (0x1780, 128), (0x1800, 176), (0x1E00, 256), (0x1F00, 256), (0x2000, 112), (0x2070, 48), (0x20A0, 32), (0x20D0, 48),
    (0x2100, 80), (0x2150, 64), (0x2190, 112), (0x2200, 256), (0x2300, 256), (0x2460, 160), (0x2500, 160), (0x2600, 256),
    (0x2700, 192), (0x2C00, 96), (0x2C80, 128), (0x2D30, 80), (0x2E80, 128), (0x3000, 64), (0x3040, 192), (0x3100, 48),
    (0x3130, 96), (0x31F0, 16), (0x3200, 256), (0x3300, 256), (0x4E00, 512), (0x9F00, 128), (0xA000, 256), (0xA640, 96),
    (0xA720, 224), (0xA840, 64), (0xA8E0, 32), (0xAA00, 96), (0xABC0, 64), (0xAC00, 512), (0xD700, 164), (0xF900, 256),
    (0xFB00, 80), (0xFB50, 256), (0xFE20, 144), (0xFF00, 240), (0x10000, 128), (0x10300, 48), (0x10400, 80), (0x10A00, 96),
    (0x11000, 128), (0x12000, 128), (0x13000, 128), (0x16800, 64), (0x1D100, 144), (0x1D400, 256), (0x1D7C0, 64),
    (0x1E900, 96), (0x1EE00, 128), (0x1F100, 256), (0x1F300, 512), (0x1F600, 80), (0x1F900, 256), (0x20000, 64),
    (0x2F800, 64), (0xE0020, 96), (0xE0100, 32),
]


class Generator:
    """A linear congruential generator: the same numbers in every version of Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def pick(self, items):
        return items[self.below(len(items))]


def characters(first, count):
    """The characters of a range that Unicode 14 has, without surrogates."""
    return [chr(c) for c in range(first, first + count) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


def block_lines(random):
    for first, count in BLOCKS:
        chars = characters(first, count)
        step = 24 if len(chars) < 200 else 40
        for begin in range(0, len(chars), step):
            yield "".join(chars[begin:begin + step])
        yield " ".join(random.pick(chars) + random.pick(chars) for _ in range(12))
        yield "".join(random.pick(chars) + random.pick(["", "", " ", "a", "1", "\u0301", "."]) for _ in range(20))


def marked(random):
    """Letters under heaps of combining marks, in orders that normalization changes."""
    marks = characters(0x0300, 0x70) + list("\u05b0\u05bc\u064b\u0651\u093c\u0e38\u0e48\u302a\u3099\U0001d165")
    out = ""
    for _ in range(1 + random.below(12)):
        out += random.pick("aeiounAEsdZ ëệกगあハ각ᄀ가1.")
        out += "".join(random.pick(marks) for _ in range(random.below(5)))
    return out


def jamo(random):
    return "".join(chr(0x1100 + random.below(19)) + chr(0x1161 + random.below(21)) +
                   random.pick(["", chr(0x11A8 + random.below(27))]) for _ in range(8))


def digits(random):
    kinds = ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "²³¹½¾ⅧⅫ①⑳㊿", "𝟎𝟏𝟐"]
    kind = random.pick(kinds)
    return random.pick(["", " ", "$", "-", "v", "x="]) + "".join(
        random.pick(kind) + random.pick(["", "", "", "", ",", ".", " ", "e", "_"]) for _ in range(1 + random.below(30)))


def spaced(random):
    words = ["a", "the", "Word", "x", "1", "12", "!", "é", "中", "don't", "\u0301", "😀", "."]
    return "".join(random.pick(SPACES) + random.pick(SPACES + words) + random.pick(words) for _ in range(1 + random.below(8)))


def with_special(random):
    pieces = []
    for _ in range(1 + random.below(6)):
        special = random.pick(SPECIAL)
        if random.below(6) == 0:
            special = special[:1 + random.below(len(special))]
        pieces.append(random.pick(["", " ", "  ", "\n", "a", "<", "\u00e9", "e\u0301 "]) + special)
        pieces.append(random.pick(["", " hello", "x", "\n\n", ">", "\t\u00a0", random.pick(SENTENCES)[:20]]))
    return "".join(pieces)


def mixture(random):
    words = [w for s in SENTENCES for w in s.split(" ")]
    out = ""
    for _ in range(2 + random.below(16)):
        out += random.pick([random.pick(words), random.pick(words), random.pick(EMOJI), str(random.below(10 ** (1 + random.below(9))))])
        out += random.pick([" ", " ", " ", " ", random.pick(PUNCTUATION), random.pick(PUNCTUATION) + " ", random.pick(SPACES)])
    return out


def any_characters(random):
    out = ""
    for _ in range(1 + random.below(40)):
        c = random.below(random.pick([0x80, 0x800, 0x3000, 0x10000, 0x1FBFF]))
        if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) != "Cn":
            out += chr(c)
    return out


def long_words():
    yield "a" * 5000
    yield "ab" * 3000
    yield "x" * 257 + " " + "y" * 1023
    yield " " * 3000 + "end"
    yield "\n" * 1000 + " " * 500 + "\n"
    yield "\t" * 700
    yield "é" * 2000
    yield "e\u0301" * 2000
    yield "中" * 2000
    yield "😀" * 800
    yield "1" * 2000
    yield "." * 3000
    yield "=-" * 1500
    yield "AaBbCcDd" * 500
    yield "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 20
    yield "ACGTTGCAAC" * 400
    yield "a" + "\u0300\u0323\u0327" * 500
    yield "<|" * 1000 + "im_end|>"
    yield "的" + "了不起" * 700
    yield "ก็" * 1000
    yield "0x" + "deadbeef" * 300


def lines():
    random = Generator(20240229)
    yield from ("", " ", "  ", "\n", "a", " a", "a ", "\u0000", "é", "e\u0301", "\ufffd", "\uffff", "\U0010ffff", "\u2581")
    for text in SENTENCES + CODE + EMOJI + SPACES + PUNCTUATION + SPECIAL:
        yield text
        yield " " + text + random.pick(SPACES)
    for text in SENTENCES:
        yield text.upper()
        yield text.lower().replace(" ", random.pick(SPACES))
        yield unicodedata.normalize("NFD", text)
        yield unicodedata.normalize("NFKC", text[::-1])
    yield from block_lines(random)
    for kind, count in ((marked, 150), (jamo, 20), (digits, 150), (spaced, 250), (with_special, 250), (mixture, 400),
                        (any_characters, 250)):
        for _ in range(count):
            yield kind(random)
    for text in CODE:
        yield text + random.pick(CODE)
        yield text.replace(" ", "  ").replace("\n", "\r\n")
    yield from long_words()


def main():
    out = open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False)
    for text in lines():
        out.write(json.dumps(text, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
