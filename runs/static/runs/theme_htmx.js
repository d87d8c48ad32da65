// On the theme's own pages: htmx evaluates nothing that stands in a page, and adds no stylesheet.
window.htmx.config.allowEval = false;
window.htmx.config.includeIndicatorStyles = false;
