"""What the other browser tests look with sees what is there to be seen."""

from tests.browser.checks import RECORD_MOTION, barriers, is_no_wider, live, moved


def test_barriers_in_either_theme_width_and_motion_are_seen(visit):
    page = live(visit(before=lambda page: page.add_init_script(RECORD_MOTION)))
    page.evaluate(
        """() => {
            // One within the page would be refused by the policy.
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(`
                #pale { color: #eee; } .dark #pale { color: #fff; }
                #dim { color: #000; } .dark #dim { color: #222; }
                #spin { animation: op-spin 1s infinite; }`);
            document.adoptedStyleSheets.push(sheet);
            document.getElementById("content").innerHTML = `
                <button></button><p id="pale">pale in light</p><p id="dim">dim in the dark</p>
                <div style="width: 3000px">wide</div><i id="spin">moving</i>`;
        }"""
    )
    seen = barriers(page, "#content")
    assert [(theme, rule) for theme, rule, _ in seen] == [
        ("light", "button-name"),
        ("light", "color-contrast"),
        ("dark", "color-contrast"),
    ]
    assert "pale" in seen[1][2]
    assert "dim" in seen[2][2]
    assert not is_no_wider(page)
    assert any("spin" in each for each in moved(page))
