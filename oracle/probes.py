"""probes: logistic regression, ridge, PCA and ROC areas by scikit-learn, LEACE by EleutherAI's concept-erasure, on random rows in f64."""

import numpy as np
import torch
from concept_erasure import LeaceFitter
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score

from tiny import write

SEED = 15
ROWS, WIDTH = 48, 6


def make(folder):
    rng = np.random.default_rng(SEED)
    cases = []
    for classes in (2, 3):
        labels = np.arange(ROWS) % classes
        centres = rng.normal(size=(classes, WIDTH))
        x = centres[labels] * 0.8 + rng.normal(size=(ROWS, WIDTH)) @ rng.normal(size=(WIDTH, WIDTH))
        counts = rng.integers(1, 4, size=ROWS)
        case = {"classes": classes, "x": x.tolist(), "labels": labels.tolist(), "counts": counts.tolist()}
        for name, weights in (("plain", None), ("counted", counts)):
            logistic = LogisticRegression(C=0.5, tol=1e-12, max_iter=10000).fit(x, labels, weights)
            ridge = RidgeClassifier(alpha=3.0).fit(x, labels, weights)
            case[name] = {
                "logistic": {"weight": logistic.coef_.tolist(), "bias": logistic.intercept_.tolist()},
                "ridge": {"weight": np.atleast_2d(ridge.coef_).tolist(), "bias": np.atleast_1d(ridge.intercept_).tolist()},
            }
        pca = PCA(3).fit(x)
        case["pca"] = {
            "directions": pca.components_.tolist(),
            "variances": pca.explained_variance_.tolist(),
            "shares": pca.explained_variance_ratio_.tolist(),
        }
        z = torch.nn.functional.one_hot(torch.tensor(labels), classes).double()
        for name, options in (
            ("leace", {}),
            ("leacePlain", dict(shrinkage=False)),
            ("leaceWhole", dict(svd_tol=1e-9)),
        ):
            fitter = LeaceFitter(WIDTH, classes, dtype=torch.float64, **options).update(torch.tensor(x), z)
            case[name] = {"P": fitter.eraser.P.tolist(), "erased": fitter.eraser(torch.tensor(x)).tolist()}
        cases.append(case)
    few = rng.normal(size=(5, 9))
    fewLabels = [0, 1, 0, 1, 1]
    scores = rng.integers(0, 6, size=40)
    marks = (rng.random(40) + scores / 10 > 0.7).astype(int)
    write(
        folder / "golden.json",
        {
            "about": "f64 throughout; logistic with C = 0.5, ridge with alpha = 3",
            "cases": cases,
            "wide": {
                "x": few.tolist(),
                "labels": fewLabels,
                "ridge": {"weight": RidgeClassifier(alpha=3.0).fit(few, fewLabels).coef_.tolist()},
                "pca": PCA(2).fit(few).components_.tolist(),
            },
            "roc": {"scores": scores.tolist(), "labels": marks.tolist(), "area": roc_auc_score(marks, scores)},
        },
    )
