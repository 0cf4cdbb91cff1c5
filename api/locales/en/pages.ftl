service-name = Matricule
layout-skip = Skip to content
layout-nav = Navigation
layout-account = My account
layout-sign-out = Sign out
layout-accessibility = Accessibility
layout-legal = Legal notice
layout-demo = Demo.
layout-demo-text = People and schools are fictional; no message is really sent.
layout-demo-link = See the messages and the sample people

home-title = Your school account
home-lead = One account to follow the schooling of all your children, whichever schools they attend.
home-sign-in = I have an account
home-sign-in-text = I sign in with my login and my password.
home-sign-in-action = Sign in
home-activate = This is my first visit
home-activate-text = I am a parent or legal guardian: I activate my account with my mobile phone.
home-activate-action = Activate my account
home-reset = I can’t sign in any more
home-reset-text = I get my login back and choose a new password with my mobile phone.
home-reset-action = Get back in

accessibility-title = Accessibility
accessibility-lead = To be completed by the operator.
legal-title = Legal notice
legal-lead = To be completed by the operator.

form-errors = { $count ->
    [one] One answer needs correcting
   *[other] { $count } answers need correcting
}
form-day = Day
form-month = Month
form-year = Year
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
