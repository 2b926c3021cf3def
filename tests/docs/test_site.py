"""The check of the built site finds what it is for."""

import pytest

from built_site import faults


@pytest.mark.parametrize(
    ("head", "body", "wrong"),
    [
        ('<link rel="stylesheet" href="own.css">', '<a href="other.html#there">x</a>', None),
        ("", '<a href="https://example.org/">x</a><a href="#here">x</a><p id="here">', None),
        (
            '<script src="https://example.org/x.js"></script>',
            "",
            "fetches https://example.org/x.js",
        ),
        ('<link rel="stylesheet" href="//fonts.example.org/x">', "", "fetches //fonts.example.org"),
        ("", '<img src="http://example.org/x.png">', "fetches http://example.org/x.png"),
        ("", '<a href="missing.html">x</a>', "links to missing.html, which is not there"),
        ("", '<a href="other.html#nowhere">x</a>', "links to other.html#nowhere"),
    ],
)
def test_a_page_that_fetches_or_links_wrongly_is_found(tmp_path, head, body, wrong):
    (tmp_path / "own.css").write_text("p { background: url(data:image/png;base64,AA) }")
    (tmp_path / "other.html").write_text('<p id="there">')
    (tmp_path / "page.html").write_text(f"<html><head>{head}</head><body>{body}</body></html>")
    found = list(faults(tmp_path))
    assert found == [] if wrong is None else wrong in "".join(found)


def test_a_style_that_fetches_is_found(tmp_path):
    (tmp_path / "page.html").write_text("")
    (tmp_path / "own.css").write_text("@import 'https://example.org/x.css';")
    assert list(faults(tmp_path)) == ["own.css fetches https://example.org/x.css"]


def test_a_folder_without_pages_is_no_site(tmp_path):
    assert "holds no pages" in "".join(faults(tmp_path))
