"""The table that a notebook shows."""

from html.parser import HTMLParser


class _Reader(HTMLParser):
    """Checks that tags are closed in turn, and gathers the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.texts, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        assert all(name in {"class", "style", "scope", "colspan"} for name, _ in attrs)
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def _read(html):
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_it_is_one_table_of_closed_tags(plan):
    """Nothing but a table, and nothing that runs."""
    reader = _read(plan._repr_html_())
    assert reader.tags <= {"table", "caption", "strong", "br", "tbody", "tfoot", "tr", "th", "td"}


def test_everything_is_escaped(plans):
    """A name with markup in it is shown, not obeyed."""
    html = plans["renamed"]._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert '<script>alert("x")</script> on <my> & card' in _read(html).texts


def test_it_says_what_the_text_says(plan):
    """Every likely value of the text stands in the table as well."""
    texts = " ".join(_read(plan._repr_html_()).texts)
    for section in ("Job", "Time", "Energy"):
        assert section in texts
    for assumption in plan.assumptions:
        assert str(assumption) in texts
