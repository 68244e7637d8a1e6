"""Cleaning is one table for two engines: Python's and the graph's answers are equal on whatever comes."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import csv
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.text_cleaning import clean, join, normalise, row_hash

CLEANED = {
    "Liberia #39;s war-battered capital": "Liberia's war-battered capital",
    "they don #39;t; Apple #146;s again": "they don't; Apple's again",
    "confident #39; #39;a company": "confident ' 'a company",
    "said  quot;bullish quot; or  quot;very bullish quot;": 'said "bullish " or "very bullish "',
    "AT amp;T and Merck  amp; Co.": "AT&T and Merck & Co.",
    "AT #38;T &amp; friends": "AT&T & friends",
    "( #36;8.9 billion) up 3 #37;": "( $8.9 billion) up 3 %",
    r"had \announced on\Friday\\It is \$900": "had announced on Friday It is $900",
    "overthrow the ruler of &lt;b&gt;...&lt;/b&gt; Financiers": "overthrow the ruler of ... Financiers",
    'Corp. &lt;A HREF="http://host/x?ticker=MCD.N"&gt;MCD.N&lt;/A&gt; rose': "Corp. MCD.N rose",
    "&lt;br/&gt;a&lt;BR /&gt;b&lt;/p&gt;": "a b",
    "vehicle #151;stock car": "vehicle - stock car",
    "double &amp;lt;b&amp;gt; escape &amp;#39;s": "double escape's",
    "a result; the adult; his camp; no entity": "a result; the adult; his camp; no entity",
    "Suzuki lt;7269.T gt; and &lt;MSFT.O&gt;": "Suzuki <7269.T > and <MSFT.O>",
    "With nbsp;food": "With food",
    "caf #233; #8364;5": "caf 5",
    " \t a \n\n b\u00a0 ": "a b",
    "": "",
    "#39;": "'",
    "no scar at all": "no scar at all",
}
NASTY = [
    *CLEANED,
    "amp;amp;lt;lt;&&amp;&#39;#39#39;;",
    "&lt;b &lt;b&gt;&gt; <b <b>> <B\n> </ b> <b/> <bold>",
    "<script>alert(1)</script><!-- x -->--> <!--",
    "é#39;s élt; İstanbul ſ <ſpan> <bloc\u212aquote> <ſtriKe>",
    "\u202eright to left\u202c \ufeff \u200b \U0001f600 \ufffd \uffff",
    "\x00nul\x00 \x0b vertical \x85 next line \u2028 separator",
    "\\1 \\g<0> $1 ${x} %s {0}",
    "quot;" * 50,
    "<b " * 50,
]


def graph(texts: list[str]) -> list[str]:
    import tensorflow as tf

    from components.data.text_ops import clean_tensor

    return [text.decode() for text in clean_tensor(tf.constant([text.encode() for text in texts])).numpy()]


@pytest.mark.parametrize(("scarred", "mended"), CLEANED.items())
def test_each_documented_scar_is_mended(scarred, mended):
    assert clean(scarred) == mended


def test_both_engines_agree_on_nasty_strings():
    assert graph(NASTY) == [clean(text) for text in NASTY]


PIECES = [
    "#39;",
    "&",
    "amp;",
    "lt;",
    "gt;",
    "quot;",
    "#",
    "3",
    "9",
    ";",
    "<",
    ">",
    "/",
    "b",
    "S",
    " ",
    "\\",
    "\n",
    "é",
    "ſ",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=12).map("".join), min_size=20, max_size=40
    )
)
def test_both_engines_agree_on_any_mixture_of_scars(texts):
    assert graph(texts) == [clean(text) for text in texts]


@pytest.mark.skipif("NEWSDESK_AG_NEWS" not in os.environ, reason="NEWSDESK_AG_NEWS names no folder with AG News")
def test_both_engines_agree_on_the_corpus():
    for path in sorted(Path(os.environ["NEWSDESK_AG_NEWS"]).glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            texts = [join(title, description) for _, title, description in csv.reader(file)]
        assert graph(texts) == [clean(text) for text in texts]


def test_cleaning_twice_changes_nothing_for_the_documented_scars():
    for text in CLEANED:
        assert clean(clean(text)) == clean(text)


def test_bytes_that_are_no_utf_8_are_replaced_and_not_refused():
    import tensorflow as tf

    from components.data.text_ops import clean_tensor

    assert clean_tensor(tf.constant([b"caf\xe9 \xff now"])).numpy()[0].decode() == "caf\ufffd \ufffd now"


def test_title_and_description_are_joined_without_stray_spaces():
    assert join("Title", "Text") == "Title Text"
    assert join("", "Text") == "Text"
    assert join("Title", "") == "Title"


@pytest.mark.parametrize(
    "other",
    [
        "OIL PRICES: Iran's plan!",
        "Oil  prices - Iran #39;s\\plan",
        "Oil prices, Iran&#39;s &lt;b&gt;plan&lt;/b&gt;",
        "ＯＩＬ prices Iran’s plan",
    ],
)
def test_prints_of_one_article_share_a_hash(other):
    assert row_hash(other) == row_hash("Oil prices Iran's plan")


def test_different_articles_have_different_hashes():
    assert len({row_hash(text) for text in ("oil up 1", "oil up 2", "oil down 1", "", "!", "?", "\U0001f600")}) == 7


def test_the_hash_is_sixteen_hex_digits_that_never_change():
    assert row_hash("Oil prices Iran's plan") == "51ec5741595ba473"


def test_normalising_folds_case_and_width_and_drops_the_rest():
    assert normalise("Straße  №1: <b>ﬁn</b> &amp; co_op") == "strasseno1fincoop"


def test_a_lone_surrogate_can_still_be_hashed():
    assert len(row_hash("\ud800")) == 16


@settings(deadline=None)
@given(st.text(st.sampled_from("aZ9 _;<>&#b\\\t\n.quotltäK"), max_size=40))
def test_an_ascii_text_is_normalised_as_every_other_one(text):
    folded = unicodedata.normalize("NFKC", clean(text)).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    assert normalise(text) == (re.sub(r"[\W_]+", "", folded) or folded)
