session-sign-in-title = Connexion
session-login = Identifiant
session-login-hint = Par exemple t.lefictif ou t.lefictif1.
session-password = Mot de passe
session-sign-in = Se connecter
session-forgotten = Identifiant ou mot de passe oublié
session-first-use = Première visite : activer mon compte
session-sign-in-wrong = L’identifiant ou le mot de passe n’est pas le bon. Vérifiez-les et réessayez.
session-provisional-expired = Ce mot de passe provisoire n’est plus valable. Demandez-en un nouveau à l’établissement ou à l’assistance.
session-not-in-use = Ce compte n’est plus en service. Adressez-vous à l’établissement.
session-too-many = { $minutes ->
    [one] Trop de tentatives. Réessayez dans une minute, ou choisissez « Identifiant ou mot de passe oublié ».
   *[other] Trop de tentatives. Réessayez dans { $minutes } minutes, ou choisissez « Identifiant ou mot de passe oublié ».
}
session-account-title = Mon compte
session-account-login = Votre identifiant :
session-account-children = { $count ->
    [one] Mon enfant
   *[other] Mes enfants
}
session-account-waiting = { $count ->
    [one] Un enfant vous est rattaché par son établissement et attend votre confirmation.
   *[other] { $count } enfants vous sont rattachés par leur établissement et attendent votre confirmation.
}
session-account-confirm = { $count ->
    [one] Confirmer cet enfant
   *[other] Confirmer ces enfants
}
session-account-reported = { $count ->
    [one] Vous avez signalé qu’un enfant n’est pas le vôtre.
   *[other] Vous avez signalé que { $count } enfants ne sont pas les vôtres.
}
session-account-reconsider = { $count ->
    [one] Revenir sur ce signalement
   *[other] Revenir sur ces signalements
}

session-own-password-title = Changer mon mot de passe
session-own-password-lead = Le nouveau mot de passe servira dès maintenant. Les autres appareils où vous êtes connecté seront déconnectés.
session-own-password-current = Mot de passe actuel
session-own-password-wrong = Ce n’est pas votre mot de passe actuel. Vérifiez-le et réessayez.
session-own-password-submit = Enregistrer

error-form-expired-title = Formulaire périmé
error-form-expired-text = Cette page est restée ouverte trop longtemps, ou votre navigateur refuse les cookies. Autorisez-les pour ce site, rechargez la page précédente et recommencez.
