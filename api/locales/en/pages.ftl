service-name = Matricule
layout-skip = Skip to content
layout-nav = Navigation
layout-account = My account
layout-sign-out = Sign out
layout-accessibility = Accessibility
layout-legal = Legal notice
layout-demo = Demo.
layout-demo-text = People and schools are fictional; no message is really sent.

home-title = Your school account
home-lead = One account to follow the schooling of all your children, whichever schools they attend.
home-sign-in = Sign in
home-sign-in-text = I have a login and a password.
home-activate = Activate my account
home-activate-text = I am a parent or legal guardian and this is my first visit.
home-reset = Forgotten login or password
home-reset-text = I get them back with my mobile phone.

accessibility-title = Accessibility
accessibility-lead = To be completed by the operator.
legal-title = Legal notice
legal-lead = To be completed by the operator.

form-errors = { $count ->
    [one] One answer needs correcting
   *[other] { $count } answers need correcting
}
step = Step { $current } of { $total }

error-reference = Incident reference
error-reference-text = If you ask for help, give this reference: it leads to what happened.
error-home = Back to the home page
problem-code = Error code:

error-internal-title = Something went wrong
error-internal-text = It is not your doing. Please try again in a few minutes.
error-not-found-title = Page not found
error-not-found-text = The address may be incomplete, or the page no longer exists.
error-bad-request-title = Request not understood
error-bad-request-text = Something is missing or has the wrong form. Go back to the previous page and try again.
error-forbidden-title = Access refused
error-forbidden-text = You are not allowed to see this page.
error-unauthorized-title = Please sign in
error-unauthorized-text = Sign in to see this page.
error-cross-origin-title = Request refused
error-cross-origin-text = This form was sent from another site. Go back to the home page and start again.
error-method-not-allowed-title = Impossible request
error-method-not-allowed-text = This page can't be asked for in this way.
error-too-large-title = Too much was sent
error-too-large-text = What you are sending is larger than allowed.
error-too-many-title = Too many attempts
error-too-many-text = Wait a little before trying again.
error-timeout-title = It took too long
error-timeout-text = The service took too long to answer. Please try again in a few minutes.
error-unavailable-title = Service unavailable
error-unavailable-text = The service is unavailable for a moment. Please try again in a few minutes.
