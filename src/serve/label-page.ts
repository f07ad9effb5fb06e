/** The page's frame: every text that a model or a dataset wrote is put in later, as text, by the script. */
export const labelPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Label · Innate</title>
<link rel="stylesheet" href="/label.css">
<script src="/label.js" defer></script>
</head>
<body>
<header>
<h1>Which is better?</h1>
<p id="progress">…</p>
<progress id="bar" value="0" max="1" aria-label="labelled so far"></progress>
</header>
<main id="main">
<section id="question" aria-label="Question" hidden>
<div id="prompt" class="said prompt" role="group" aria-label="Prompt"></div>
<div class="sides">
<section class="side" aria-labelledby="name-a"><h2 id="name-a">A</h2><div id="side-a" class="said"></div><button id="a" type="button" aria-keyshortcuts="A ArrowLeft"><kbd>←</kbd> A is better</button></section>
<section class="side" aria-labelledby="name-b"><h2 id="name-b">B</h2><div id="side-b" class="said"></div><button id="b" type="button" aria-keyshortcuts="B ArrowRight">B is better <kbd>→</kbd></button></section>
</div>
<div class="others">
<button id="tie" type="button" aria-keyshortcuts="T"><kbd>t</kbd> equally good</button>
<button id="none" type="button" aria-keyshortcuts="N"><kbd>n</kbd> no preference</button>
<button id="skip" type="button" aria-keyshortcuts="S"><kbd>s</kbd> skip</button>
</div>
<div class="more">
<fieldset id="sure"><legend>How sure</legend>
<label><input type="radio" name="sure" value="1"> unsure <kbd>1</kbd></label>
<label><input type="radio" name="sure" value="2"> fairly <kbd>2</kbd></label>
<label><input type="radio" name="sure" value="3"> sure <kbd>3</kbd></label>
</fieldset>
<label class="note">Note <kbd>c</kbd><textarea id="note" rows="1" maxlength="10000"></textarea></label>
</div>
</section>
<section id="done" aria-label="Done" hidden><h2>Nothing is left to label</h2><p>Every pair has a word of yours. You can close this page; a run that waits goes on with <code>--resume</code>.</p></section>
<section id="facts" aria-label="So far" hidden><h2>So far</h2><div id="facts-of"></div></section>
</main>
<footer>
<p id="said" role="status" aria-live="polite"></p>
<button id="undo" type="button" aria-keyshortcuts="U"><kbd>u</kbd> undo</button>
</footer>
</body>
</html>
`
